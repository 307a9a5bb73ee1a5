import { expect, test } from "vitest";
import { random, whole } from "../../tests/viewer/random.ts";
import type { Rect } from "./geometry.ts";
import { Region } from "./region.ts";

test("subtraction agrees with a bitmap", () => {
  const next = random(2);
  for (let trial = 0; trial < 200; trial++) {
    const region = new Region({ x0: 2, y0: 1, x1: 18, y1: 14 });
    const left = new Set<string>();
    for (let y = 1; y < 14; y++) for (let x = 2; x < 18; x++) left.add(`${x},${y}`);
    for (let i = 0; i < 12; i++) {
      const [x0, y0] = [whole(next, 0, 19), whole(next, 0, 15)];
      const rect: Rect = { x0, y0, x1: x0 + whole(next, 0, 8), y1: y0 + whole(next, 0, 8) };
      const before = left.size;
      for (let y = rect.y0; y < rect.y1; y++) {
        for (let x = rect.x0; x < rect.x1; x++) left.delete(`${x},${y}`);
      }
      expect(region.subtract(rect)).toBe(left.size < before);
      expect(region.area).toBe(left.size);
      expect(region.isEmpty).toBe(left.size === 0);
    }
  }
});
