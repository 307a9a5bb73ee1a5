import { expect, test } from "vitest";
import type { Triple } from "../types.ts";
import { each } from "./octree.ts";
import { coarser, neighbouring, pieceBox, repeated, Shell, SIDES } from "./volume_shell.ts";

/** A number for every voxel of a level. */
const at = (z: number, y: number, x: number) => z * 10_000 + y * 100 + x;

function valuesOf(start: Triple, shape: Triple, make = at): Int32Array {
  const values = new Int32Array(shape[0] * shape[1] * shape[2]);
  let to = 0;
  for (let z = 0; z < shape[0]; z++) {
    for (let y = 0; y < shape[1]; y++) {
      for (let x = 0; x < shape[2]; x++) {
        values[to++] = make(start[0] + z, start[1] + y, start[2] + x);
      }
    }
  }
  return values;
}

const brick = (start: Triple, shape: Triple, make = at) =>
  new Shell(valuesOf(start, shape, make), shape, 1);

test("an apron is what the neighbours begin or end with", () => {
  const start: Triple = [10, 20, 30];
  const shape: Triple = [4, 5, 3];
  const own = brick(start, shape);
  for (const side of SIDES) {
    const size = each((i) => (side[i] === 0 ? shape[i] : 6));
    const from = each((i) => start[i] + (side[i] < 0 ? -6 : side[i] > 0 ? shape[i] : 0));
    const piece = neighbouring(own, brick(from, size), side);
    const box = pieceBox(shape, side);
    expect([...piece]).toEqual([
      ...valuesOf(
        each((i) => start[i] + box.start[i]),
        box.size,
      ),
    ]);
    const inside = (z: number, y: number, x: number) =>
      at(
        Math.min(Math.max(z, 10), 13),
        Math.min(Math.max(y, 20), 24),
        Math.min(Math.max(x, 30), 32),
      );
    const again = repeated(own, side);
    const wanted = valuesOf(
      each((i) => start[i] + box.start[i]),
      box.size,
      inside,
    );
    expect([...again]).toEqual([...wanted]);
  }
});

test("a coarser brick beside is read between its voxels", () => {
  const linear = (z: number, y: number, x: number) => z * 4000 + y * 400 + x * 40;
  const own = brick([0, 0, 0], [8, 8, 8], linear);
  // Coarse voxels are twice as large; this brick lies before the own one along z.
  const fine = (c: number) => 2 * c + 0.5;
  const other = brick([-8, 0, 0], [8, 8, 8], (z, y, x) => linear(fine(z), fine(y), fine(x)));
  const piece = coarser(own, other, [-1, 0, 0], [-0.25 + 8, -0.25, -0.25], [0.5, 0.5, 0.5], false);
  // Along z there is nothing beyond its last plane, half a fine voxel before.
  for (let y = 1; y < 8; y++) {
    for (let x = 1; x < 8; x++) expect(piece[y * 8 + x]).toBe(linear(-1.5, y, x));
  }
});

test("a uniform brick needs one voxel", () => {
  const own = new Shell(Uint16Array.of(7, 8, 9), [64, 64, 64], 3);
  expect(own.uniform).toBe(true);
  expect([...repeated(own, [1, 1, 1])]).toEqual([7, 8, 9]);
});
