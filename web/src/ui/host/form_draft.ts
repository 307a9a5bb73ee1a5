/** What a user has chosen for an operation and not yet run. It outlives the form. */
import { batch, signal } from "@preact/signals";
import { type Entries, type Entry, entryFor, startEntry } from "./form_values.ts";
import type { Form, FormValue } from "./host_service.ts";
import type { InputId } from "./input_choices.ts";

export class FormDraft {
  /** Fields that were changed; all others hold their defaults. */
  readonly entries = signal<Entries>(new Map());
  /** Fields that were left once: from then on their problems are shown. */
  readonly touched = signal<ReadonlySet<string>>(new Set());
  /** Layers, or addresses of tables, by input; null for none. Inputs that are not here follow what is proposed. */
  readonly layers = signal<ReadonlyMap<string, InputId | null>>(new Map());
  readonly region = signal<"visible" | "whole">("visible");
  /** The level that was chosen for a layer; all others are proposed at their finest. */
  readonly #level = signal<readonly [layer: number, level: number] | null>(null);
  readonly slices = signal<"shown" | "all">("shown");
  /** Whether each call gets a volume, where that may be chosen. */
  readonly volumes = signal(false);

  /** By input, of plugins that take files. */
  readonly files = signal<ReadonlyMap<string, File>>(new Map());

  chooseFile(input: string, file: File | null): void {
    const files = new Map(this.files.peek());
    if (file) files.set(input, file);
    else files.delete(input);
    this.files.value = files;
  }

  enter(name: string, entry: Entry): void {
    this.entries.value = new Map([...this.entries.peek(), [name, entry]]);
  }

  touch(names: Iterable<string>): void {
    this.touched.value = new Set([...this.touched.peek(), ...names]);
  }

  /** `undefined`: follow what is proposed again. */
  choose(input: string, layer: InputId | null | undefined): void {
    const layers = new Map(this.layers.peek());
    if (layer === undefined) layers.delete(input);
    else layers.set(input, layer);
    this.layers.value = layers;
  }

  levelOf(layer: number): number {
    const [chosenFor, level] = this.#level.value ?? [];
    return level !== undefined && chosenFor === layer ? level : 0;
  }

  chooseLevel(layer: number, level: number): void {
    this.#level.value = [layer, level];
  }

  /** Hold these values. */
  fill(form: Form, values: Readonly<Record<string, FormValue>>): void {
    batch(() => {
      this.reset();
      this.entries.value = new Map(
        Object.entries(form.properties).flatMap(([name, property]): [string, Entry][] => {
          const value = values[name];
          if (value === undefined) return [];
          const entry = entryFor(property, value);
          return entry === startEntry(property) ? [] : [[name, entry]];
        }),
      );
    });
  }

  /** Parameters are as the author of the plugin meant them; what they are run on stays. */
  reset(): void {
    batch(() => {
      this.entries.value = new Map();
      this.touched.value = new Set();
    });
  }
}
