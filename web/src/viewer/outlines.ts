/** What the canvas has drawn from which bricks, for whoever wants to see it. Pure. */

import type { DrawList } from "./draw_list.ts";
import { isEmpty } from "./geometry.ts";
import type { Outline, Triple } from "./types.ts";
import type { CellList } from "./volume_cells.ts";

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
