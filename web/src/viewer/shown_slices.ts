/** Which slice each layer shows: the one that is asked for, as soon as there is something of it. Pure. */

import type { Slice } from "./brick_key.ts";
import { hasBase } from "./draw_list.ts";
import { type Sight, sliceIndex } from "./geometry.ts";
import type { SlotTable } from "./slots.ts";
import type { Camera, Layer } from "./types.ts";

/** The slice of every level of a layer. Null: the camera is outside, nothing is shown. */
export type Slices = readonly Slice[] | null;

export function slicesAt(layer: Layer, camera: Camera): Slices {
  const slices: Slice[] = [];
  for (let level = 0; level < layer.levels.length; level++) {
    const slice = sliceIndex(layer, level, camera);
    if (!slice) return null;
    slices.push(slice);
  }
  return slices;
}

export class ShownSlices {
  readonly #shown = new Map<number, Slices>();
  readonly #wanted = new Map<number, Slices>();

  shown(layer: number): Slices {
    return this.#shown.get(layer) ?? null;
  }

  /** What is shown and what is waited for: the slices whose base must stay. */
  both(layer: number): readonly Slices[] {
    return [this.shown(layer), this.#wanted.get(layer) ?? null];
  }

  /** True: another slice than before is shown. */
  update<Content>(layer: Layer, camera: Camera, sight: Sight, slots: SlotTable<Content>): boolean {
    const wanted = slicesAt(layer, camera);
    this.#wanted.set(layer.id, wanted);
    const shown = this.shown(layer.id);
    if (isSame(wanted, shown)) return false;
    // A layer never becomes blank by moving through it, only by leaving it.
    const ready = !wanted || !shown || hasBase(layer, camera.displayed, wanted, sight, slots);
    if (ready) this.#shown.set(layer.id, wanted);
    return ready;
  }

  /** What is hidden waits for nothing and shows, when it comes back, what is asked for then. */
  hide(layer: number): void {
    this.#shown.delete(layer);
    this.#wanted.delete(layer);
  }

  keepOnly(layers: readonly Layer[]): void {
    const ids = new Set(layers.map((layer) => layer.id));
    for (const id of this.#shown.keys()) if (!ids.has(id)) this.#shown.delete(id);
    for (const id of this.#wanted.keys()) if (!ids.has(id)) this.#wanted.delete(id);
  }
}

function isSame(a: Slices, b: Slices): boolean {
  if (!a || !b) return a === b;
  return a.length === b.length && a.every((slice, i) => slice.join() === b[i]?.join());
}
