/** A plugin that is being written: its text, and what becomes of it in the host. */
import { signal } from "@preact/signals";
import { sentenceOf } from "../../errors.ts";
import type { Plugin } from "../../host/host_service.ts";
import { isImjoy } from "../../host/imjoy_plugin.ts";
import type { StartingText } from "./starting_texts.ts";

export type EditorHost = {
  /** Hands the file to the host, in place of one of that name. */
  add(fileName: string, text: string): Promise<Plugin>;
  /** Ends what is loaded of it, and runs what it is now. */
  runAnew(plugin: Plugin): Promise<void>;
  /** Shows the form of one that is no plugin of ImJoy. */
  openForm(plugin: Plugin): void;
};

/** After the last letter that was typed. */
export const LIVE_AFTER_MS = 900;

export class EditorDraft {
  readonly text = signal("");
  readonly name = signal("my_plugin");
  readonly suffix = signal<StartingText["suffix"]>(".py");
  readonly isLive = signal(false);
  /** What came of it last. */
  readonly said = signal<{ readonly text: string; readonly isProblem: boolean } | null>(null);
  readonly #host: EditorHost;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the host has. */
  #handedOver: string | null = null;
  #turn: Promise<unknown> = Promise.resolve();

  constructor(host: EditorHost) {
    this.#host = host;
  }

  get fileName(): string {
    const safe = this.name.value.trim().replace(/[^\w-]+/g, "_") || "my_plugin";
    return `${safe}${this.suffix.value}`;
  }

  start({ text, suffix }: StartingText): void {
    this.text.value = text.replace('"My plugin"', JSON.stringify(this.name.peek()));
    this.suffix.value = suffix;
    this.said.value = null;
    this.#handedOver = null;
  }

  type(text: string): void {
    this.text.value = text;
    clearTimeout(this.#timer);
    if (this.isLive.peek()) {
      this.#timer = setTimeout(() => void this.run(false), LIVE_AFTER_MS);
    }
  }

  /** Hand it over and run it, one after the other; `isAsked`: not because something was typed. */
  run(isAsked: boolean): Promise<void> {
    clearTimeout(this.#timer);
    const next = this.#turn.then(() => this.#run(isAsked));
    this.#turn = next;
    return next;
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  async #run(isAsked: boolean): Promise<void> {
    const text = this.text.peek();
    if (!isAsked && text === this.#handedOver) return;
    try {
      const plugin = await this.#host.add(this.fileName, text);
      if (plugin.error !== null) throw new Error(plugin.error);
      this.#handedOver = text;
      this.said.value = { text: `${this.fileName} is in the list of plugins.`, isProblem: false };
      if (isImjoy(plugin)) await this.#host.runAnew(plugin);
      else if (isAsked) this.#host.openForm(plugin);
    } catch (error) {
      this.said.value = { text: sentenceOf(error), isProblem: true };
    }
  }
}
