import { expect, test } from "vitest";
import { layerOf, pyramid } from "../../../tests/viewer/layers.ts";
import { random, whole } from "../../../tests/viewer/random.ts";
import { BRICK, type Rect, type Sight } from "../geometry.ts";
import { SlotTable } from "../slots.ts";
import { brickParts } from "./brick_parts.ts";
import { drawList } from "./draw_list.ts";

/** A level of one layer, most of its bricks held, from some place. */
function randomBricks(next: () => number, kind: "image" | "labels", contour = 0) {
  const [height, width] = [whole(next, 500, 3000), whole(next, 500, 3000)];
  const layer = { ...layerOf(pyramid([height, width], 1)), kind };
  const slots = new SlotTable<{ rows: number; columns: number }>(1e9);
  for (let row = 0; row * BRICK < height; row++) {
    for (let column = 0; column * BRICK < width; column++) {
      if (next() < 0.2) continue;
      const rows = Math.min(height - row * BRICK, BRICK);
      const columns = Math.min(width - column * BRICK, BRICK);
      slots.put([0, 0, [], row, column], 1, { rows, columns }, 0);
    }
  }
  const sight: Sight = {
    center: [next() * height, next() * width],
    zoom: 2 ** (next() * 4 - 3),
    size: [whole(next, 1, 900), whole(next, 1, 700)],
  };
  return drawList(layer, ["y", "x"], [[]], sight, slots, 0, contour).bricks;
}

const areaOf = ({ x0, y0, x1, y1 }: Rect) => (x1 - x0) * (y1 - y0);

test("the parts of a brick make up its rectangle, and only borders need neighbours", () => {
  const next = random(41);
  for (let trial = 0; trial < 200; trial++) {
    for (const brick of randomBricks(next, "image")) {
      const { rows, columns } = brick.slot.content;
      let area = 0;
      for (const { rect, sampling } of brickParts(brick)) {
        area += areaOf(rect);
        if (sampling !== "inner") continue;
        const y = brick.start[0] + (rect.y1 - 1 - brick.rect.y0) * brick.step[0];
        const x = brick.start[1] + (rect.x1 - 1 - brick.rect.x0) * brick.step[1];
        if (brick.neighbours[1]) expect(y).toBeLessThan(rows - 1);
        if (brick.neighbours[0]) expect(x).toBeLessThan(columns - 1);
      }
      expect(area).toBe(areaOf(brick.rect));
    }
  }
});

test("labels are one part where they are filled; outlines look over borders near these only", () => {
  const next = random(42);
  for (let trial = 0; trial < 200; trial++) {
    const contour = whole(next, 0, 9);
    for (const brick of randomBricks(next, "labels", contour)) {
      const { rows, columns } = brick.slot.content;
      const parts = brickParts(brick);
      expect(parts.reduce((area, { rect }) => area + areaOf(rect), 0)).toBe(areaOf(brick.rect));
      if (contour === 0) {
        expect(parts.map(({ sampling }) => sampling)).toEqual(["nearest"]);
        continue;
      }
      const { left, right, upper, lower } = brick.around ?? {};
      for (const { rect, sampling } of parts) {
        if (sampling === "outline") continue;
        // What the first and the last pixel look at: data pixels, of which those of this brick begin at -0.5.
        const look = (axis: 0 | 1, pixel: number) =>
          brick.start[axis] +
          (pixel - (axis ? brick.rect.x0 : brick.rect.y0)) * (brick.step[axis] ?? 1);
        if (upper) expect(look(0, rect.y0 - contour)).toBeGreaterThan(-0.5);
        if (lower) expect(look(0, rect.y1 - 1 + contour)).toBeLessThan(rows - 0.5);
        if (left) expect(look(1, rect.x0 - contour)).toBeGreaterThan(-0.5);
        if (right) expect(look(1, rect.x1 - 1 + contour)).toBeLessThan(columns - 0.5);
      }
    }
  }
});
