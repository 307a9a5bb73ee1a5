import { expect, test } from "vitest";
import { fixture } from "../../tests/viewer/fixture.ts";
import { layerOf, pyramid } from "../../tests/viewer/layers.ts";
import { random, whole } from "../../tests/viewer/random.ts";
import {
  baseLevel,
  brickRange,
  cellRect,
  deviceRect,
  dualCell,
  isEmpty,
  levelPosition,
  NEAREST,
  planeOf,
  type Sight,
  sliceIndex,
  targetLevel,
  toWorld,
} from "./geometry.ts";
import type { Camera, Layer, Level } from "./types.ts";

type Layers = Record<string, { axes: string[]; levels: Level[] }>;
type Case = { layer: string; displayed: Camera["displayed"] };
type Targets = { layers: Layers; cases: (Case & { zoom: number; target: number })[] };
type Sliced = Case & { position: Record<string, number>; slices: number[][] | null };

function fromFixture(layers: Layers, name: string): Layer {
  const { axes, levels } = layers[name] ?? { axes: [], levels: [] };
  return layerOf(levels, {
    axes: axes.map((axis) => ({ name: axis, type: "space", unit: null })),
  });
}

test("target levels are those of Python", () => {
  const { layers, cases } = fixture<Targets>("target_level");
  expect(cases.length).toBeGreaterThan(100);
  for (const { layer, displayed, zoom, target } of cases) {
    const got = targetLevel(fromFixture(layers, layer), displayed, zoom);
    expect([layer, zoom, got]).toEqual([layer, zoom, target]);
  }
});

test("slices are those of Python", () => {
  const { layers, cases } = fixture<{ layers: Layers; cases: Sliced[] }>("slices");
  expect(cases.length).toBeGreaterThan(50);
  for (const { layer: name, displayed, position, slices } of cases) {
    const layer = fromFixture(layers, name);
    const got = layer.levels.map((_level, i) => sliceIndex(layer, i, { displayed, position }));
    expect([name, position, got]).toEqual([name, position, slices ?? layer.levels.map(() => null)]);
  }
});

test("the base is the smallest level, the last of equals", () => {
  expect(baseLevel(layerOf(pyramid([900, 700], 4)), ["y", "x"])).toBe(3);
  const thin = pyramid([9, 64, 64], 1).concat(pyramid([5, 64, 64], 1));
  expect(baseLevel(layerOf(thin), ["y", "x"])).toBe(1);
});

test("every device pixel of the extent is in exactly one cell of a level, also at 2^27", () => {
  const next = random(5);
  for (let trial = 0; trial < 300; trial++) {
    const size = 2 ** whole(next, 3, 27) + whole(next, 0, 3);
    const scale = 2 ** whole(next, -3, 3) * (1 + next());
    const layer = layerOf(pyramid([size, size + whole(next, 0, 700)], whole(next, 1, 6), scale));
    const plane = planeOf(layer, whole(next, 0, layer.levels.length - 1), ["y", "x"]);
    if (!plane) throw new Error("no plane");
    const sight: Sight = {
      center: [next() * size * scale, next() * size * scale],
      zoom: 2 ** (next() * 6 - 3) / plane.scale[0],
      size: [whole(next, 1, 90), whole(next, 1, 70)],
    };
    const bounds = deviceRect(
      sight,
      [-scale / 2, -scale / 2],
      [(size - 0.5) * scale, (size - 0.5) * scale],
    );
    if (isEmpty(bounds)) continue;
    const [width] = sight.size;
    for (const cell of [NEAREST, dualCell(true, true)]) {
      const hits = new Uint8Array(sight.size[0] * sight.size[1]);
      const range = brickRange(plane, sight, bounds);
      for (let row = range.y0; row < range.y1; row++) {
        for (let column = range.x0; column < range.x1; column++) {
          const rect = cellRect(plane, row, column, cell, sight, bounds);
          for (let y = rect.y0; y < rect.y1; y++) {
            for (let x = rect.x0; x < rect.x1; x++) {
              const at = y * width + x;
              hits[at] = (hits[at] ?? 0) + 1;
            }
          }
        }
      }
      let wrong = 0;
      for (let y = bounds.y0; y < bounds.y1; y++) {
        for (let x = bounds.x0; x < bounds.x1; x++) if (hits[y * width + x] !== 1) wrong += 1;
      }
      expect(wrong).toBe(0);
    }
  }
});

test("world, canvas and level coordinates agree", () => {
  const sight: Sight = { center: [10, 20], zoom: 4, size: [100, 50] };
  expect(toWorld(sight, 50, 25)).toEqual([10, 20]);
  expect(toWorld(sight, 0, 0)).toEqual([10 - 25 / 4, 20 - 50 / 4]);
  const plane = { shape: [9, 9], scale: [0.5, 2], translation: [1, 3], brick: 512 } as const;
  expect(levelPosition(plane, sight, 49.5, 24.5)).toEqual([18, 8.5]);
});
