import { describe, expect, test } from "vitest";
import { random } from "../../../tests/viewer/random.ts";
import type { Box, Pair } from "../types.ts";
import { boxFaces, type Polygon } from "./box_faces.ts";
import { crossing, looking, rayAt, volumeSight } from "./volume_camera.ts";
import { FIRST_LOOK } from "./volume_motion.ts";

const SIZE: Pair = [80, 60];

/** Whether a place lies in a convex polygon, whatever way round it goes. */
function isIn(polygon: Polygon, [x, y]: Pair): boolean {
  const sides = polygon.map(([ax, ay], i) => {
    const [bx, by] = polygon[(i + 1) % polygon.length] ?? [0, 0];
    return (bx - ax) * (y - ay) - (by - ay) * (x - ax);
  });
  return sides.every((side) => side > 0) || sides.every((side) => side < 0);
}

describe("faces of a box", () => {
  test("cover just the lines of sight that meet it, once each", () => {
    const chance = random(3);
    let [met, missed] = [0, 0];
    for (let turn = 0; turn < 200; turn++) {
      const perspective = turn % 2 ? 20 + chance() * 100 : 0;
      const sight = volumeSight(
        {
          ...FIRST_LOOK,
          center: [5, 6, 7],
          zoom: 1,
          displayed: ["z", "y", "x"],
          orientation: looking(chance() * 360, chance() * 170 - 85),
          perspective,
        },
        SIZE,
      );
      const low = [0, 0, 0].map(() => chance() * 60 - 40) as unknown as Box[0];
      const high = low.map((one) => one + 1 + chance() * 60) as unknown as Box[0];
      const faces = boxFaces(sight, [low, high]);
      for (let i = 0; i < 40; i++) {
        const at: Pair = [chance() * SIZE[0], chance() * SIZE[1]];
        const count = faces.filter((face) => isIn(face, at)).length;
        const seen = crossing(rayAt(sight, at), low, high);
        // One that just touches an edge, or begins behind a face that the near plane cuts, may be left out.
        if (seen && seen[1] - seen[0] < 1e-6) continue;
        if (seen && perspective && seen[0] <= rayAt(sight, at).begin) continue;
        expect([turn, at, count]).toEqual([turn, at, seen ? 1 : 0]);
        if (seen) met += 1;
        else missed += 1;
      }
    }
    expect(Math.min(met, missed)).toBeGreaterThan(500);
  });
});
