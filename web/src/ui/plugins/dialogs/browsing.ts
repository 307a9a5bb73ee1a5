/** Looking for files in the folders of the host's computer: where one is, and what is chosen there. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { sentenceOf } from "../../errors.ts";
import type { ChosenFile, FileWish, Folder, FolderEntry } from "../service.ts";
import { entriesFor, parentOf, pressed, rowNamed, takesMany } from "./folder_view.ts";
import type { Folders } from "./folders.ts";

/** Letters that are typed together are one name. */
const TOGETHER_MS = 800;

export class Browsing {
  readonly wish: FileWish;
  readonly folder = signal<Folder | null>(null);
  readonly isLoading = signal(false);
  readonly problem = signal("");
  /** Whether folders are shown at all: a host may show none. */
  readonly isRefused = signal(false);
  /** What stands in the field of the path. */
  readonly typed = signal("");
  readonly chosen = signal<ReadonlySet<number>>(new Set());
  /** The row that keys move; -1: none. */
  readonly row = signal(-1);
  readonly entries: ReadonlySignal<readonly FolderEntry[]> = computed(() =>
    this.folder.value ? entriesFor(this.wish, this.folder.value) : [],
  );
  /** What would be given now; of folders the one that is shown, if none is chosen in it. */
  readonly given: ReadonlySignal<readonly ChosenFile[]> = computed(() => this.#given());
  readonly #folders: Folders;
  readonly #answer: (files: readonly ChosenFile[]) => void;
  #turn = 0;
  #anchor = 0;
  #letters = "";
  #lettersUntil = 0;

  constructor(wish: FileWish, folders: Folders, answer: (files: readonly ChosenFile[]) => void) {
    this.wish = wish;
    this.#folders = folders;
    this.#answer = answer;
  }

  /** Begin where the plugin asks for, else where something was chosen last, else at home. */
  async begin(): Promise<void> {
    const { root = "" } = this.wish;
    const places = [...new Set([root, this.#folders.last, ""])].filter(
      (place, i, all) => place !== "" || i === all.length - 1,
    );
    let first = "";
    for (const place of places) {
      if (await this.go(place)) {
        this.problem.value = first;
        return;
      }
      first ||= this.problem.peek();
    }
    this.isRefused.value = true;
    this.typed.value = root;
  }

  /** Show another folder; false: it cannot be listed, and the one before stays. */
  async go(path: string, last = ""): Promise<boolean> {
    const turn = ++this.#turn;
    const typed = this.typed.peek();
    this.isLoading.value = true;
    try {
      const folder = await this.#folders.list(path);
      if (turn !== this.#turn) return true;
      this.folder.value = folder;
      // Whoever types meanwhile goes on typing.
      if (this.typed.peek() === typed) this.typed.value = folder.path;
      this.problem.value = "";
      this.chosen.value = new Set();
      // Where one came from when one goes up.
      this.row.value = this.entries.peek().findIndex((entry) => entry.path === last);
      this.#anchor = Math.max(this.row.peek(), 0);
      return true;
    } catch (error) {
      if (turn === this.#turn) this.problem.value = sentenceOf(error);
      return false;
    } finally {
      if (turn === this.#turn) this.isLoading.value = false;
    }
  }

  async up(): Promise<void> {
    const folder = this.folder.peek();
    if (folder?.parent) await this.go(folder.parent, folder.path);
  }

  press(row: number, how: { readonly more?: boolean; readonly through?: boolean } = {}): void {
    const isMany = takesMany(this.wish);
    const more = isMany && !!how.more;
    const from = isMany && how.through ? this.#anchor : null;
    this.chosen.value = pressed(this.chosen.peek(), row, { more, from });
    this.row.value = row;
    if (from === null) this.#anchor = row;
  }

  /** Move by keys; what one comes to is chosen. */
  move(to: number, through: boolean): void {
    const last = this.entries.peek().length - 1;
    if (last >= 0) this.press(Math.min(Math.max(to, 0), last), { through });
  }

  /** Go on to the next name that begins with the letters that are typed. */
  seek(letter: string, now: number): void {
    this.#letters = now < this.#lettersUntil ? this.#letters + letter : letter;
    this.#lettersUntil = now + TOGETHER_MS;
    const found = rowNamed(this.entries.peek(), this.#letters, this.row.peek());
    if (found >= 0) this.press(found);
  }

  /** Enter a folder, or give a file. */
  async open(row: number): Promise<void> {
    const entry = this.entries.peek()[row];
    if (!entry) return;
    if (entry.is_folder) await this.go(entry.path);
    else {
      if (!this.chosen.peek().has(row)) this.press(row);
      this.choose();
    }
  }

  /** Give what is chosen, if that is anything. */
  choose(): void {
    const given = this.given.peek();
    if (given.length === 0) {
      this.problem.value = "Choose a file first.";
      return;
    }
    this.#give(given);
  }

  /** A path was typed: go there, or give the file. */
  async take(): Promise<void> {
    const path = this.typed.peek().trim();
    if (path === "" || path === this.folder.peek()?.path) {
      if (this.wish.type === "directory") this.choose();
      return;
    }
    if ((await this.go(path)) || this.wish.type === "directory") return;
    const why = this.problem.peek();
    const name = path.replace(/^.*[\\/]/, "");
    const beside = await this.#folders.list(parentOf(path)).catch(() => null);
    const found = beside?.entries.find((entry) => entry.name === name && !entry.is_folder);
    // What is hidden is not listed, and can be meant.
    if (found) this.#give([{ name, path: found.path }]);
    else if (beside && name.startsWith(".")) this.#give([{ name, path }]);
    else this.problem.value = beside ? `There is no ${name} in ${beside.path}.` : why;
  }

  #give(files: readonly ChosenFile[]): void {
    this.#folders.last = this.folder.peek()?.path ?? "";
    this.#answer(files);
  }

  #given(): readonly ChosenFile[] {
    const isFolder = this.wish.type === "directory";
    const chosen = this.entries.value.filter(
      (entry, row) => this.chosen.value.has(row) && entry.is_folder === isFolder,
    );
    if (chosen.length > 0) return chosen.map(({ name, path }) => ({ name, path }));
    const folder = this.folder.value;
    if (!isFolder || !folder) return [];
    const name = folder.path.split(/[\\/]/).findLast((part) => part !== "") ?? folder.path;
    return [{ name, path: folder.path }];
  }
}
