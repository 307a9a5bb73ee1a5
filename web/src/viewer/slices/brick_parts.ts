/**
 * How to draw a brick in parts. Pure.
 *
 * Interpolation needs neighbouring bricks only along its right and lower borders, outlines of labels as far
 * from all four as they are thick. The rest is drawn with a shader that knows one texture, which in software
 * is several times as fast as one that knows four.
 */

import { isEmpty, type Rect } from "../geometry.ts";
import type { Around, DrawnBrick } from "./draw_list.ts";

export type Sampling = "nearest" | "inner" | "border" | "outline";
export type BrickPart = { readonly rect: Rect; readonly sampling: Sampling };
type Sized = { readonly rows: number; readonly columns: number };

export function brickParts<Content extends Sized>(brick: DrawnBrick<Content>): BrickPart[] {
  const { rect, around } = brick;
  if (brick.linear) return linearParts(brick);
  return around ? outlinedParts(brick, around) : [{ rect, sampling: "nearest" }];
}

function linearParts<Content extends Sized>(brick: DrawnBrick<Content>): BrickPart[] {
  const { rect, start, step, neighbours } = brick;
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

/** The middle looks at its own brick only; around it lie bands that look at a neighbour, if it is held. */
function outlinedParts<Content extends Sized>(
  { rect, slot, start, step }: DrawnBrick<Content>,
  { reach, left, right, upper, lower }: Around<Content>,
): BrickPart[] {
  const { rows, columns } = slot.content;
  const [x0, x1] = middle(rect.x0, rect.x1, start[1], step[1], columns, reach, left, right);
  const [y0, y1] = middle(rect.y0, rect.y1, start[0], step[0], rows, reach, upper, lower);
  const parts: BrickPart[] = [
    { rect: { x0, y0, x1, y1 }, sampling: "nearest" },
    { rect: { ...rect, y1: y0 }, sampling: "outline" },
    { rect: { ...rect, y0: y1 }, sampling: "outline" },
    { rect: { x0: rect.x0, y0, x1: x0, y1 }, sampling: "outline" },
    { rect: { x0: x1, y0, x1: rect.x1, y1 }, sampling: "outline" },
  ];
  return parts.filter((part) => !isEmpty(part.rect));
}

/** Device pixels, from `first` to `end`, from which an outline looks at no neighbour that is held. */
function middle(
  first: number,
  end: number,
  start: number,
  step: number,
  count: number,
  reach: number,
  before: unknown,
  behind: unknown,
): readonly [from: number, to: number] {
  // One more, since the shader counts in float32.
  const from = first + Math.ceil((-0.5 - start) / step + reach) + 1;
  const to = first + Math.floor((count - 0.5 - start) / step - reach) - 1;
  const within = (at: number) => Math.min(Math.max(at, first), end);
  const begin = before ? within(from) : first;
  return [begin, Math.max(behind ? within(to) : end, begin)];
}
