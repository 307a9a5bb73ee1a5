/** A plugin that is being written or changed: its text, and what becomes of it in the host. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { sentenceOf } from "../../errors.ts";
import type { Plugin, PluginSource } from "../../host/host_service.ts";
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
  /** The file of a plugin that is being changed; null: it is a new one. */
  readonly changed: PluginSource | null;
  /** Whether there is something that the host does not have. */
  readonly isUnsaved: ReadonlySignal<boolean>;
  readonly #host: EditorHost;
  #timer: ReturnType<typeof setTimeout> | undefined;
  /** What the host has. */
  readonly #handedOver = signal<string | null>(null);
  #turn: Promise<unknown> = Promise.resolve();

  /** `origin`: where the file that is changed came from; "": nowhere else. */
  constructor(host: EditorHost, changed: PluginSource | null = null, origin = "") {
    this.#host = host;
    this.changed = changed;
    this.isUnsaved = computed(() => this.text.value !== this.#handedOver.value);
    if (!changed) return;
    this.text.value = changed.text;
    this.#handedOver.value = changed.text;
    if (origin) {
      const text = `It came from ${origin}: an update brings that back, in place of your changes.`;
      this.said.value = { text, isProblem: false };
    }
  }

  get fileName(): string {
    if (this.changed) return this.changed.file_name;
    const safe = this.name.value.trim().replace(/[^\w-]+/g, "_") || "my_plugin";
    return `${safe}${this.suffix.value}`;
  }

  start({ text, suffix }: StartingText): void {
    this.text.value = text.replace('"My plugin"', JSON.stringify(this.name.peek()));
    this.suffix.value = suffix;
    this.said.value = null;
    this.#handedOver.value = null;
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
    return this.#next(async () => {
      if (!isAsked && !this.isUnsaved.peek()) return;
      const plugin = await this.#handOver();
      if (isImjoy(plugin)) await this.#host.runAnew(plugin);
      else if (isAsked) this.#host.openForm(plugin);
    });
  }

  /** Hand it over; what is loaded of it goes on as it is. */
  save(): Promise<void> {
    return this.#next(() => this.#handOver());
  }

  dispose(): void {
    clearTimeout(this.#timer);
  }

  #next(work: () => Promise<unknown>): Promise<void> {
    clearTimeout(this.#timer);
    const next = this.#turn.then(async () => {
      try {
        await work();
      } catch (error) {
        this.said.value = { text: sentenceOf(error), isProblem: true };
      }
    });
    this.#turn = next;
    return next;
  }

  async #handOver(): Promise<Plugin> {
    const text = this.text.peek();
    const plugin = await this.#host.add(this.fileName, text);
    if (plugin.error !== null) throw new Error(plugin.error);
    this.#handedOver.value = text;
    const is = this.changed ? "is saved" : "is in the list of plugins";
    this.said.value = { text: `${this.fileName} ${is}.`, isProblem: false };
    return plugin;
  }
}
