import { expect, test } from "vitest";
import { layerOf, pyramid } from "../../tests/viewer/layers.ts";
import { random, whole } from "../../tests/viewer/random.ts";
import { brickParts } from "./brick_parts.ts";
import { drawList } from "./draw_list.ts";
import { BRICK, type Sight } from "./geometry.ts";
import { SlotTable } from "./slots.ts";

test("the parts of a brick make up its rectangle, and only borders need neighbours", () => {
  const next = random(41);
  for (let trial = 0; trial < 200; trial++) {
    const [height, width] = [whole(next, 500, 3000), whole(next, 500, 3000)];
    const layer = layerOf(pyramid([height, width], 1));
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
    for (const brick of drawList(layer, ["y", "x"], [[]], sight, slots).bricks) {
      const { rows, columns } = brick.slot.content;
      let area = 0;
      for (const { rect, sampling } of brickParts(brick)) {
        area += (rect.x1 - rect.x0) * (rect.y1 - rect.y0);
        if (sampling !== "inner") continue;
        const y = brick.start[0] + (rect.y1 - 1 - brick.rect.y0) * brick.step[0];
        const x = brick.start[1] + (rect.x1 - 1 - brick.rect.x0) * brick.step[1];
        if (brick.neighbours[1]) expect(y).toBeLessThan(rows - 1);
        if (brick.neighbours[0]) expect(x).toBeLessThan(columns - 1);
      }
      expect(area).toBe((brick.rect.x1 - brick.rect.x0) * (brick.rect.y1 - brick.rect.y0));
    }
  }
});
