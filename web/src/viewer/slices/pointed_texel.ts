/** Which data pixel is drawn under a device pixel. Pure. */

import type { Slot } from "../slots.ts";
import type { Pair } from "../types.ts";
import type { DrawList } from "./draw_list.ts";

export type PointedTexel<Content> = {
  readonly slot: Slot<Content>;
  /** Within the brick. */
  readonly row: number;
  readonly column: number;
};

type Sized = { readonly rows: number; readonly columns: number };

/** `at` is (x, y) in device pixels, not necessarily whole. Null: outside, or nothing is held there. */
export function pointedTexel<Content extends Sized>(
  list: DrawList<Content>,
  at: Pair,
): PointedTexel<Content> | null {
  const [x, y] = [Math.floor(at[0]), Math.floor(at[1])];
  const brick = list.bricks.find(
    ({ rect }) => x >= rect.x0 && x < rect.x1 && y >= rect.y0 && y < rect.y1,
  );
  if (!brick) return null;
  let row = Math.floor(brick.start[0] + (y - brick.rect.y0) * brick.step[0] + 0.5);
  let column = Math.floor(brick.start[1] + (x - brick.rect.x0) * brick.step[1] + 0.5);
  // The last half pixel of a dual cell is nearest to the neighbour's first one.
  const [right, lower, diagonal] = brick.neighbours;
  let slot = brick.slot;
  const { rows, columns } = slot.content;
  if (column >= columns && row >= rows && diagonal) {
    slot = diagonal;
    row -= rows;
    column -= columns;
  } else if (column >= columns && right) {
    slot = right;
    column -= columns;
  } else if (row >= rows && lower) {
    slot = lower;
    row -= rows;
  }
  return {
    slot,
    row: Math.min(Math.max(row, 0), slot.content.rows - 1),
    column: Math.min(Math.max(column, 0), slot.content.columns - 1),
  };
}
