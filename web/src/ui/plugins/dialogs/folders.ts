/** The folders of the host's computer, as dialogs show them. */
import type { Folder } from "../service.ts";

export class Folders {
  /** Where something was chosen last; "": the user's own folder. */
  last = "";
  readonly #list: (path: string) => Promise<Folder>;

  constructor(list: (path: string) => Promise<Folder>) {
    this.#list = list;
  }

  /** What is in a folder; "" is the user's own. */
  list(path: string): Promise<Folder> {
    return this.#list(path);
  }
}
