/** Files that a user hands over: plugins are added, what a plugin takes is offered to it, all others are shown. */
import type { Commands } from "../commands.ts";
import { sentenceOf } from "../errors.ts";
import type { Notices } from "../notices.ts";
import { fileInputFor } from "./file_inputs.ts";
import { isPluginFile } from "./plugin_file.ts";
import type { PluginShelf } from "./plugin_shelf.ts";

/** Has the server show a file; gives the ids of its layers. */
export type ShowFile = (file: File) => Promise<readonly number[]>;

/** How long what is dropped before the host has told its plugins waits for them. */
const TOLD_WITHIN_MS = 5000;

type Panels = Pick<Commands, "runWith" | "pluginsOpen">;

export class DroppedFiles {
  readonly #commands: Panels;
  readonly #shelf: PluginShelf;
  readonly #notices: Notices;
  readonly #showFile: ShowFile;

  constructor(commands: Panels, shelf: PluginShelf, notices: Notices, showFile: ShowFile) {
    this.#commands = commands;
    this.#shelf = shelf;
    this.#notices = notices;
    this.#showFile = showFile;
  }

  async take(files: readonly File[]): Promise<void> {
    const plugins = files.filter(isPluginFile);
    const others = files.filter((file) => !plugins.includes(file));
    if (plugins.length > 0) {
      this.#commands.pluginsOpen.value = true;
      await this.#shelf.add(plugins);
    }
    const [only] = others;
    const isTaken = only !== undefined && others.length === 1 && (await this.#isTaken(only));
    if (isTaken) this.#commands.runWith.value = only;
    else for (const file of others) await this.show(file);
  }

  async show(file: File): Promise<void> {
    this.#notices.add({ severity: "info", text: `Opening “${file.name}” …` });
    try {
      await checkReadable(file);
      const [layer] = await this.#showFile(file);
      this.#notices.add({
        severity: "info",
        text: `“${file.name}” is open.`,
        ...(layer === undefined ? {} : { action: this.#runWith(layer) }),
      });
    } catch (error) {
      const text = `“${file.name}” could not be opened: ${sentenceOf(error)}`;
      this.#notices.add({ severity: "error", text });
    }
  }

  #runWith(layer: number) {
    const run = () => {
      this.#commands.runWith.value = layer;
    };
    return { label: "Run with …", run };
  }

  async #isTaken(file: File): Promise<boolean> {
    const late = new Promise((resolve) => setTimeout(resolve, TOLD_WITHIN_MS));
    await Promise.race([this.#shelf.told, late]);
    const plugins = this.#shelf.plugins.peek() ?? [];
    return plugins.some(({ operations }) => operations.some((one) => fileInputFor(one, file)));
  }
}

/** Raises where it is a folder, or has gone: a browser says of these only that nothing came of it. */
async function checkReadable(file: File): Promise<void> {
  try {
    await file.slice(0, 1).arrayBuffer();
  } catch {
    throw new Error(
      `it cannot be read. Folders are opened from the terminal: opsin view ${file.name}`,
    );
  }
}
