import { expect, test } from "vitest";
import { fixture } from "../../../tests/viewer/fixture.ts";
import { layerOf } from "../../../tests/viewer/layers.ts";
import { random } from "../../../tests/viewer/random.ts";
import { SlotTable } from "../slots.ts";
import { type VolumeKey, volumeNumber } from "../stream/brick_key.ts";
import type { Axis, Layer, Level, Quaternion, Triple } from "../types.ts";
import { childrenOf, each, octreeOf, parentOf, SIDE } from "./octree.ts";
import { cameraAxes, looking, volumeSight, voxelPixels } from "./volume_camera.ts";
import { type Cell, cellList } from "./volume_cells.ts";
import { FIRST_LOOK, fitVolume } from "./volume_motion.ts";

type Described = { readonly axes: readonly string[]; readonly levels: readonly Level[] };
type Child = {
  readonly level: number;
  readonly place: Triple;
  readonly first: Triple;
  readonly stop: Triple;
};
const found = fixture<{
  layers: Record<string, Described>;
  trees: readonly { layer: string; base: number; children: readonly Child[] }[];
  sizes: readonly {
    zoom: number;
    size: [number, number];
    orientation: Quaternion;
    perspective: number;
    axes: readonly Triple[];
    low: Triple;
    high: Triple;
    voxel: Triple;
    pixels: number;
  }[];
}>("volumes");
const ZYX = ["z", "y", "x"] as const;

function layerNamed(name: string): Layer {
  const { axes, levels } = found.layers[name] ?? { axes: [], levels: [] };
  return layerOf(levels, {
    name,
    dtype: "uint8",
    axes: axes.map((axis): Axis => ({ name: axis, type: "space", unit: null })),
  });
}

test("the tree is the server's", () => {
  for (const { layer, base, children } of found.trees) {
    const tree = octreeOf(layerNamed(layer), ZYX);
    if (!tree) throw new Error("it is a volume");
    expect(tree.base).toBe(base);
    for (const { level, place, first, stop } of children) {
      expect(childrenOf(tree, level, place)).toEqual({ first, stop });
    }
  }
});

test("every brick is a child of its parent", () => {
  for (const name of Object.keys(found.layers)) {
    const tree = octreeOf(layerNamed(name), ZYX);
    if (!tree) throw new Error("it is a volume");
    for (let level = 0; level < tree.base; level++) {
      const bricks = tree.levels[level]?.bricks ?? [0, 0, 0];
      for (let z = 0; z < bricks[0]; z++) {
        for (let x = 0; x < bricks[2]; x++) {
          const place: Triple = [z, bricks[1] - 1, x];
          const { first, stop } = childrenOf(tree, level + 1, parentOf(tree, level, place));
          for (const axis of [0, 1, 2] as const) {
            expect(place[axis]).toBeGreaterThanOrEqual(first[axis]);
            expect(place[axis]).toBeLessThan(stop[axis]);
          }
        }
      }
    }
  }
});

test("the camera's axes and the sizes of voxels are the server's", () => {
  for (const {
    zoom,
    size,
    orientation,
    perspective,
    axes,
    low,
    high,
    voxel,
    pixels,
  } of found.sizes) {
    for (const [i, axis] of cameraAxes(orientation).entries()) {
      for (const [j, value] of axis.entries()) expect(value).toBeCloseTo(axes[i]?.[j] ?? 9, 6);
    }
    const view = { ...FIRST_LOOK, center: [0, 0, 0] as const, zoom, orientation, perspective };
    const sight = volumeSight({ ...view, displayed: ZYX }, size);
    expect(voxelPixels(sight, low, high, voxel) / pixels).toBeCloseTo(1, 5);
  }
});

function holding(layer: Layer, bricks: readonly (readonly [level: number, place: Triple])[]) {
  const slots = new SlotTable<null>(1e9);
  for (const [level, place] of bricks) {
    slots.put([layer.id, level, [], ...place] as VolumeKey, 1, null, 0);
  }
  return slots;
}

const volumeOf = (cell: Cell<null>) =>
  (cell.high[0] - cell.low[0]) * (cell.high[1] - cell.low[1]) * (cell.high[2] - cell.low[2]);

test("whatever is held, each place that a root covers is in exactly one cell", () => {
  const chance = random(5);
  for (const name of ["halves", "odd", "rows and columns only"]) {
    const layer = layerNamed(name);
    const tree = octreeOf(layer, ZYX);
    if (!tree) throw new Error("it is a volume");
    const extent = [0, 1, 2].reduce(
      (all, i) => all * ((tree.high[i] ?? 0) - (tree.low[i] ?? 0)),
      1,
    );
    for (let round = 0; round < 30; round++) {
      const bricks: [number, Triple][] = [];
      for (const [level, { bricks: counts }] of tree.levels.entries()) {
        for (let n = 0; n < counts[0] * counts[1] * counts[2]; n++) {
          const place: Triple = [
            Math.floor(n / counts[1] / counts[2]),
            Math.floor(n / counts[2]) % counts[1],
            n % counts[2],
          ];
          if (level === tree.base || chance() < 0.2) bricks.push([level, place]);
        }
      }
      const orientation = looking(chance() * 360, chance() * 180 - 90);
      const perspective = round % 2 ? 40 : 0;
      const look = { ...FIRST_LOOK, displayed: ZYX, orientation, perspective };
      const fitted = fitVolume([layer], [300, 300], look);
      const zoom = fitted.zoom * (round % 3 ? 1 : 0.2);
      const sight = volumeSight({ ...look, ...fitted, zoom }, [300, 300]);
      const slots = holding(layer, bricks);
      const list = cellList(
        layer,
        look,
        tree.levels.map(() => []),
        sight,
        slots,
      );
      const sum = (list?.cells ?? []).reduce((all, cell) => all + volumeOf(cell), 0);
      expect(sum / extent).toBeCloseTo(1, 6);
      for (const { slot, low, high } of list?.cells ?? []) {
        const voxel = tree.levels[slot.key[1]]?.voxel ?? [0, 0, 0];
        const fine = voxelPixels(sight, low, high, voxel) <= 1 + 1e-6;
        const finest = !bricks.some(([level]) => level < slot.key[1]);
        expect(fine || finest || slot.key[1] > 0).toBe(true);
      }
    }
  }
});

test("cells come from front to back", () => {
  const layer = layerNamed("halves");
  const tree = octreeOf(layer, ZYX);
  if (!tree) throw new Error("it is a volume");
  const bricks = [0, 1].flatMap((z) => [0, 1, 2, 3].map((y): [number, Triple] => [1, [z, y, 0]]));
  bricks.push([2, [0, 0, 0]], [2, [0, 1, 0]], [0, [0, 0, 0]]);
  for (const turn of [0, 90, 180, 45, 200]) {
    const look = { ...FIRST_LOOK, displayed: ZYX, orientation: looking(turn, 10) };
    const fitted = { ...fitVolume([layer], [300, 300], look), zoom: 2 };
    const sight = volumeSight({ ...look, ...fitted }, [3000, 3000]);
    const list = cellList(
      layer,
      look,
      tree.levels.map(() => []),
      sight,
      holding(layer, bricks),
    );
    const cells = list?.cells ?? [];
    expect(cells.length).toBeGreaterThan(4);
    const forward = sight.axes[2];
    for (const [i, first] of cells.entries()) {
      for (const later of cells.slice(i + 1)) {
        // Never is the later one before the other along all axes at once.
        const before = [0, 1, 2].every((axis) => {
          const way = forward[axis] ?? 0;
          const [a, b] = way > 0 ? [later.high, first.low] : [first.high, later.low];
          return way === 0 || (a[axis] ?? 0) <= (b[axis] ?? 0);
        });
        expect(before).toBe(false);
      }
    }
  }
});

test("a clipping box cuts cells, and what is outside is not drawn", () => {
  const layer = layerNamed("halves");
  const tree = octreeOf(layer, ZYX);
  if (!tree) throw new Error("it is a volume");
  const clip = [each((i) => tree.low[i] + 3), each((i) => tree.low[i] + 9)] as const;
  const look = { ...FIRST_LOOK, displayed: ZYX, clip };
  const sight = volumeSight({ ...look, ...fitVolume([layer], [300, 300], look) }, [300, 300]);
  const bricks: [number, Triple][] = [
    [2, [0, 0, 0]],
    [2, [0, 1, 0]],
  ];
  const list = cellList(
    layer,
    look,
    tree.levels.map(() => []),
    sight,
    holding(layer, bricks),
  );
  expect(list?.cells.map(volumeOf)).toEqual([expect.closeTo(216, 6)]);
});

test("bricks of a level have numbers of their own", () => {
  const last = 2 ** 17 - 1;
  expect(volumeNumber(last, last, last)).toBe(2 ** 51 - 1);
  expect(volumeNumber(0, 1, 0)).not.toBe(volumeNumber(0, 0, SIDE));
});
