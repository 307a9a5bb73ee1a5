/**
 * How to draw a brick in parts. Pure.
 *
 * Interpolation needs neighbouring bricks only along its right and lower borders. The rest is drawn with a
 * shader that knows one texture, which in software is several times as fast as one that knows four.
 */

import type { DrawnBrick } from "./draw_list.ts";
import { isEmpty, type Rect } from "./geometry.ts";

export type Sampling = "nearest" | "inner" | "border";
export type BrickPart = { readonly rect: Rect; readonly sampling: Sampling };
type Sized = { readonly rows: number; readonly columns: number };

export function brickParts<Content extends Sized>(brick: DrawnBrick<Content>): BrickPart[] {
  const { rect, start, step, neighbours } = brick;
  if (!brick.linear) return [{ rect, sampling: "nearest" }];
  const [right, lower] = neighbours;
  const { rows, columns } = brick.slot.content;
  const x = right ? inside(rect.x0, rect.x1, start[1], step[1], columns) : rect.x1;
  const y = lower ? inside(rect.y0, rect.y1, start[0], step[0], rows) : rect.y1;
  const parts: BrickPart[] = [
    { rect: { ...rect, x1: x, y1: y }, sampling: "inner" },
    { rect: { ...rect, x0: x, y1: y }, sampling: "border" },
    { rect: { ...rect, y0: y }, sampling: "border" },
  ];
  return parts.filter((part) => !isEmpty(part.rect));
}

/** The first device pixel, from `first` to `end`, that needs the neighbour: at or behind the last centre. */
function inside(first: number, end: number, start: number, step: number, count: number): number {
  const pixels = Math.ceil((count - 1 - start) / step);
  return Math.min(Math.max(first + pixels, first), end);
}
