/** Which slice each layer shows: the one that is asked for, as soon as there is something of it. Pure. */

import { type Sight, sliceIndex } from "../geometry.ts";
import type { SlotTable } from "../slots.ts";
import type { Slice } from "../stream/brick_key.ts";
import type { Camera, Layer } from "../types.ts";
import { hasBase } from "./draw_list.ts";

/** The slice of every level of a layer. Null: the camera is outside, nothing is shown. */
export type Slices = readonly Slice[] | null;

export function slicesAt(
  layer: Layer,
  camera: { readonly displayed: readonly string[]; readonly position: Camera["position"] },
): Slices {
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

  /**
   * Move layers to the slices that are asked for, where these can be shown. Layers on the same grid
   * (the channels of an image) move together. True: all of them show what is asked for.
   */
  update<Content>(
    layers: readonly Layer[],
    camera: Camera,
    sight: Sight,
    slots: SlotTable<Content>,
  ): boolean {
    let all = true;
    for (const group of byGrid(layers)) {
      const moves = group.map((layer) => ({ layer, wanted: slicesAt(layer, camera) }));
      for (const { layer, wanted } of moves) this.#wanted.set(layer.id, wanted);
      // A layer never becomes blank by moving through it, only by leaving it.
      const ready = moves.every(({ layer, wanted }) => {
        const shown = this.shown(layer.id);
        if (!wanted || !shown || isSame(wanted, shown)) return true;
        return hasBase(layer, camera.displayed, wanted, sight, slots);
      });
      if (ready) for (const { layer, wanted } of moves) this.#shown.set(layer.id, wanted);
      else all = false;
    }
    return all;
  }

  /** What is hidden waits for nothing and shows, when it comes back, what is asked for then. */
  keepOnly(layers: readonly Layer[]): void {
    const ids = new Set(layers.map((layer) => layer.id));
    for (const id of this.#shown.keys()) if (!ids.has(id)) this.#shown.delete(id);
    for (const id of this.#wanted.keys()) if (!ids.has(id)) this.#wanted.delete(id);
  }
}

function byGrid(layers: readonly Layer[]): Iterable<readonly Layer[]> {
  const groups = new Map<string, Layer[]>();
  for (const layer of layers) {
    let grid = grids.get(layer);
    if (grid === undefined) {
      grid = JSON.stringify([layer.axes, layer.levels]);
      grids.set(layer, grid);
    }
    const group = groups.get(grid);
    if (group) group.push(layer);
    else groups.set(grid, [layer]);
  }
  return groups.values();
}

const grids = new WeakMap<Layer, string>();

function isSame(a: Slices, b: Slices): boolean {
  if (!a || !b) return a === b;
  return a.length === b.length && a.every((slice, i) => slice.join() === b[i]?.join());
}
