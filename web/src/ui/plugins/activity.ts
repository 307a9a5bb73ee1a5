/** What plugins say that they do, newest last: a sentence, and how far they are. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { About } from "./service.ts";

export type Doing = About & { readonly text: string; readonly progress: number | null };

export class Activity {
  readonly #doing = signal<readonly Doing[]>([]);

  get doing(): ReadonlySignal<readonly Doing[]> {
    return this.#doing;
  }

  status(about: About, text: string): void {
    this.#change(about, { text });
  }

  /** `fraction`: 0 to 1; null: nothing that can be told in parts. */
  progress(about: About, fraction: number | null): void {
    const isPart = fraction !== null && Number.isFinite(fraction);
    this.#change(about, { progress: isPart ? Math.min(Math.max(fraction, 0), 1) : null });
  }

  forget(plugin: string): void {
    this.#doing.value = this.#doing.peek().filter(({ id }) => id !== plugin);
  }

  #change({ id, name }: About, more: Partial<Doing>): void {
    const before = this.#doing.peek().find((one) => one.id === id);
    const others = this.#doing.peek().filter((one) => one !== before);
    this.#doing.value = [...others, { text: "", progress: null, ...before, ...more, id, name }];
  }
}
