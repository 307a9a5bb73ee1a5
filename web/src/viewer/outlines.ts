/** What the canvas has drawn from which bricks, for whoever wants to see it. Pure. */

import { isEmpty } from "./geometry.ts";
import type { HeldCell } from "./points/points_store.ts";
import type { DrawList } from "./slices/draw_list.ts";
import type { Camera, Layer, Outline, Pair, Triple } from "./types.ts";
import type { CellList } from "./volumes/volume_cells.ts";

/** So many are told, at most: more of them nobody can tell apart. */
export const MOST_OUTLINES = 600;

/** Bricks of slices, the finest last; behind them the places of those that have failed. */
export function sliceOutlines<Content>(lists: readonly DrawList<Content>[]): readonly Outline[] {
  const outlines: Outline[] = [];
  for (const { layer, bricks, failed, failedBase } of lists) {
    for (const { slot, rect } of bricks) {
      if (isEmpty(rect)) continue;
      const { provenance, key } = slot;
      outlines.push({ layer, level: key[1], provenance, place: rect });
    }
    for (const place of [...failed, ...failedBase]) outlines.push(failure(layer, place));
  }
  return outlines
    .sort((one, other) => (other.level ?? -1) - (one.level ?? -1))
    .slice(-MOST_OUTLINES);
}

function failure(layer: number, place: Outline["place"]): Outline {
  return { layer, level: null, provenance: "failed", place };
}

/** Boxes of a volume, in the world. `center` is that of the camera that they are relative to. */
export function volumeOutlines<Content>(
  layer: number,
  list: CellList<Content>,
  center: Triple,
): readonly Outline[] {
  const world = ([z, y, x]: Triple): Triple => [z + center[0], y + center[1], x + center[2]];
  const held = list.cells.map(({ slot, low, high }) => ({
    layer,
    level: slot.key[1],
    provenance: slot.provenance,
    place: [world(low), world(high)] as const,
  }));
  const failed = list.failed.map(([low, high]) => failure(layer, [world(low), world(high)]));
  return [...failed, ...held].slice(0, MOST_OUTLINES);
}

/**
 * Cells of points, each as the box that those of its points lie in which are here, the finest last: over slices
 * in device pixels, in 3D in the world. `reach`: how far a disc is seen beyond its point, in the world.
 */
export function cellOutlines(
  layer: Layer,
  cells: readonly HeldCell[],
  reach: number,
  { displayed, center, zoom, volume }: Camera,
  size: Pair,
): readonly Outline[] {
  const shown: readonly string[] = volume?.displayed ?? displayed;
  const axes = shown.map((name) => layer.axes.findIndex((axis) => axis.name === name));
  const placeOf = (cell: HeldCell): Outline["place"] => {
    const low = axes.map((axis) => (cell.low[axis] ?? 0) - reach);
    const high = axes.map((axis) => (cell.high[axis] ?? 0) + reach);
    if (volume) return [low as unknown as Triple, high as unknown as Triple];
    const pixel = ([y = 0, x = 0]: readonly number[]): Pair => [
      (x - center[1]) * zoom + size[0] / 2,
      (y - center[0]) * zoom + size[1] / 2,
    ];
    const [[x0, y0], [x1, y1]] = [pixel(low), pixel(high)];
    return { x0, y0, x1, y1 };
  };
  return cells
    .toSorted((one, other) => other.key[1] - one.key[1])
    .slice(-MOST_OUTLINES)
    .map((cell) => ({
      layer: layer.id,
      level: cell.key[1],
      provenance: cell.provenance,
      place: placeOf(cell),
    }));
}
