/** A set of device pixels as disjoint rectangles, from which rectangles are taken away. Pure. */

import { intersect, isEmpty, type Rect } from "./geometry.ts";

export class Region {
  #parts: Rect[];

  constructor(whole: Rect) {
    this.#parts = isEmpty(whole) ? [] : [whole];
  }

  get isEmpty(): boolean {
    return this.#parts.length === 0;
  }

  get area(): number {
    return this.#parts.reduce((sum, part) => sum + (part.x1 - part.x0) * (part.y1 - part.y0), 0);
  }

  /** Take a rectangle away. False: it had nothing in common with what was left. */
  subtract(rect: Rect): boolean {
    if (isEmpty(rect)) return false;
    const left: Rect[] = [];
    let touched = false;
    for (const part of this.#parts) {
      const hole = intersect(part, rect);
      if (isEmpty(hole)) {
        left.push(part);
        continue;
      }
      touched = true;
      const around: Rect[] = [
        { x0: part.x0, y0: part.y0, x1: part.x1, y1: hole.y0 },
        { x0: part.x0, y0: hole.y1, x1: part.x1, y1: part.y1 },
        { x0: part.x0, y0: hole.y0, x1: hole.x0, y1: hole.y1 },
        { x0: hole.x1, y0: hole.y0, x1: part.x1, y1: hole.y1 },
      ];
      left.push(...around.filter((one) => !isEmpty(one)));
    }
    this.#parts = left;
    return touched;
  }
}
