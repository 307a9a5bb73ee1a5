import { expect, test } from "vitest";
import { layerOf, pyramid } from "../../../tests/viewer/layers.ts";
import { random, whole } from "../../../tests/viewer/random.ts";
import { isMinified, levelPosition, planeOf, type Sight, targetLevel } from "../geometry.ts";
import { SlotTable } from "../slots.ts";
import type { BrickKey, Slice } from "../stream/brick_key.ts";
import type { Camera, Layer } from "../types.ts";
import { type DrawList, drawList, drawOrder, hasBase } from "./draw_list.ts";
import { pointedTexel } from "./pointed_texel.ts";
import { ShownSlices, slicesAt } from "./shown_slices.ts";

type Content = { readonly rows: number; readonly columns: number };
const SHOWN = ["y", "x"] as const;

test("target first, then finer from near to far, then coarser from near to far", () => {
  expect(drawOrder(2, 5)).toEqual([2, 1, 0, 3, 4]);
  expect(drawOrder(0, 1)).toEqual([0]);
});

function randomLayer(next: () => number): Layer {
  const shape = [whole(next, 1, 4), whole(next, 400, 5000), whole(next, 400, 5000)];
  const brick = next() < 0.5 ? 256 : 512;
  return { ...layerOf(pyramid(shape, whole(next, 1, 5), 0.5)), brick };
}

function randomSight(next: () => number, layer: Layer): Sight {
  const [, height = 1, width = 1] = layer.levels[0]?.shape ?? [];
  return {
    center: [(next() * height) / 2, (next() * width) / 2],
    zoom: 2 ** (next() * 7 - 4),
    size: [whole(next, 1, 60), whole(next, 1, 40)],
  };
}

function allKeys(layer: Layer, slice: Slice): BrickKey[] {
  const keys: BrickKey[] = [];
  const side = layer.brick ?? 512;
  for (let level = 0; level < layer.levels.length; level++) {
    const [, height = 1, width = 1] = layer.levels[level]?.shape ?? [];
    for (let row = 0; row * side < height; row++) {
      for (let column = 0; column * side < width; column++) {
        keys.push([layer.id, level, slice, row, column]);
      }
    }
  }
  return keys;
}

function contentOf(layer: Layer, key: BrickKey): Content {
  const [, height = 1, width = 1] = layer.levels[key[1]]?.shape ?? [];
  const side = layer.brick ?? 512;
  return {
    rows: Math.min(height - key[3] * side, side),
    columns: Math.min(width - key[4] * side, side),
  };
}

/** The first in the list at a device pixel, as the depth test lets it win. */
function drawnLevel(list: DrawList<Content>, x: number, y: number): number | null {
  const brick = list.bricks.find(
    ({ rect }) => x >= rect.x0 && x < rect.x1 && y >= rect.y0 && y < rect.y1,
  );
  return brick ? brick.slot.key[1] : null;
}

/** The rule, pixel by pixel: the first level that holds the nearest data pixel, or starts the four. */
function wantedLevel(
  layer: Layer,
  slices: readonly Slice[],
  sight: Sight,
  slots: SlotTable<Content>,
  x: number,
  y: number,
): number | null {
  const target = targetLevel(layer, SHOWN, sight.zoom);
  for (const level of drawOrder(target, layer.levels.length)) {
    const plane = planeOf(layer, level, SHOWN);
    const slice = slices[level];
    if (!plane || !slice) continue;
    const p = levelPosition(plane, sight, x, y);
    const index = (axis: 0 | 1, shift: number) =>
      Math.floor(
        Math.min(Math.max(Math.floor(p[axis] + shift), 0), plane.shape[axis] - 1) / plane.brick,
      );
    const held = (shiftY: number, shiftX: number) =>
      slots.get([layer.id, level, slice, index(0, shiftY), index(1, shiftX)]) !== null;
    if (held(0.5, 0.5)) return level;
    if (isMinified(plane, sight.zoom) && (held(0, 0) || held(0, 0.5) || held(0.5, 0))) return level;
  }
  return null;
}

test("every pixel shows the best that is held, whatever was deleted", () => {
  const next = random(17);
  let compared = 0;
  for (let trial = 0; trial < 150; trial++) {
    const layer = randomLayer(next);
    const slots = new SlotTable<Content>(1e12);
    const camera: Camera = { center: [0, 0], zoom: 1, position: { z: 0 }, displayed: SHOWN };
    const slices = slicesAt(layer, camera) ?? [];
    const share = next();
    for (const key of allKeys(layer, [0])) {
      if (next() < share) slots.put(key, 1, contentOf(layer, key), 0);
    }
    for (let look = 0; look < 4; look++) {
      const sight = randomSight(next, layer);
      const list = drawList(layer, SHOWN, slices, sight, slots);
      let uncovered = 0;
      for (let y = list.bounds.y0; y < list.bounds.y1; y++) {
        for (let x = list.bounds.x0; x < list.bounds.x1; x++) {
          const got = drawnLevel(list, x, y);
          const wanted = wantedLevel(layer, slices, sight, slots, x, y);
          if (got === null) uncovered += 1;
          if (got !== wanted) expect([layer.levels, sight, x, y, got]).toEqual(wanted);
          compared += 1;
        }
      }
      expect(list.uncovered).toBe(uncovered);
      // Deletions, as a lost context or a full table makes them.
      slots.drop(() => next() < 0.2);
    }
  }
  expect(compared).toBeGreaterThan(100_000);
});

test("fragments stay within the bricks that they are given", () => {
  const next = random(23);
  for (let trial = 0; trial < 100; trial++) {
    const layer = randomLayer(next);
    const slots = new SlotTable<Content>(1e12);
    for (const key of allKeys(layer, [0])) slots.put(key, 1, contentOf(layer, key), 0);
    const sight = randomSight(next, layer);
    const slices = layer.levels.map(() => [0]);
    for (const brick of drawList(layer, SHOWN, slices, sight, slots).bricks) {
      const { rows, columns } = brick.slot.content;
      const edge = layer.brick ?? 512;
      const last = [
        brick.start[0] + (brick.rect.y1 - brick.rect.y0 - 1) * brick.step[0],
        brick.start[1] + (brick.rect.x1 - brick.rect.x0 - 1) * brick.step[1],
      ];
      // Beyond the last centre only where a neighbour continues, or where the level ends.
      for (const [axis, count, side] of [
        [0, rows, 1],
        [1, columns, 0],
      ] as const) {
        const limit = brick.neighbours[side] ? edge : Math.max(count, edge) + edge;
        expect(brick.start[axis]).toBeGreaterThan(-(2 ** layer.levels.length));
        expect(last[axis]).toBeLessThan(limit + 1e-6);
      }
    }
  }
});

test("the pointed texel is the nearest data pixel, wherever bricks meet", () => {
  const next = random(29);
  for (let trial = 0; trial < 100; trial++) {
    const layer = randomLayer(next);
    const slots = new SlotTable<Content>(1e12);
    for (const key of allKeys(layer, [0])) slots.put(key, 1, contentOf(layer, key), 0);
    const sight = randomSight(next, layer);
    const list = drawList(
      layer,
      SHOWN,
      layer.levels.map(() => [0]),
      sight,
      slots,
    );
    const plane = planeOf(layer, targetLevel(layer, SHOWN, sight.zoom), SHOWN);
    for (let i = 0; plane && i < 50; i++) {
      const at = [next() * sight.size[0], next() * sight.size[1]] as const;
      const texel = pointedTexel(list, at);
      const [x, y] = [Math.floor(at[0]), Math.floor(at[1])];
      const { bounds } = list;
      const inside = x >= bounds.x0 && x < bounds.x1 && y >= bounds.y0 && y < bounds.y1;
      expect(texel !== null).toBe(inside);
      if (!texel) continue;
      const p = levelPosition(plane, sight, x, y);
      const wanted = [0, 1].map((axis) =>
        Math.min(Math.max(Math.floor((p[axis] ?? 0) + 0.5), 0), (plane.shape[axis] ?? 1) - 1),
      );
      const [, , , row, column] = texel.slot.key;
      const side = plane.brick;
      expect([row * side + texel.row, column * side + texel.column]).toEqual(wanted);
    }
  }
});

test("failed places of the target are marked, at the level that memory allows", () => {
  const layer = layerOf(pyramid([2000, 2000], 3));
  const slots = new SlotTable<Content>(1e9);
  slots.fail([0, 0, [], 1, 1], "broken");
  slots.fail([0, 1, [], 0, 0], "broken");
  const sight: Sight = { center: [999.5, 999.5], zoom: 1, size: [2000, 2000] };
  const slices = [[], [], []];
  const fine = drawList(layer, SHOWN, slices, sight, slots);
  expect(fine.failed).toEqual([{ x0: 512, y0: 512, x1: 1024, y1: 1024 }]);
  const coarse = drawList(layer, SHOWN, slices, sight, slots, 1);
  expect(coarse.failed).toEqual([{ x0: 0, y0: 0, x1: 1024, y1: 1024 }]);
});

test("a layer never becomes blank by moving through its slices", () => {
  const next = random(31);
  let started = 0;
  for (let trial = 0; trial < 60; trial++) {
    const layer = layerOf(pyramid([4, whole(next, 9, 4000), whole(next, 9, 4000)], 3));
    const base = layer.levels.length - 1;
    const slots = new SlotTable<Content>(1e12);
    const shown = new ShownSlices();
    let begun = false;
    for (let step = 0; step < 60; step++) {
      const z = whole(next, 0, (layer.levels[0]?.shape[0] ?? 1) - 1);
      const sight = randomSight(next, layer);
      const camera: Camera = { ...sight, position: { z }, displayed: SHOWN };
      shown.update([layer], camera, sight, slots);
      for (const key of allKeys(layer, [whole(next, 0, 3)])) {
        if (next() < 0.6) slots.put(key, 1, contentOf(layer, key), step);
      }
      // As the engine does: the base of what is shown and of what is waited for is pinned.
      const pinned = (slice: Slice) =>
        shown.both(layer.id).some((slices) => slices?.[base]?.join() === slice.join());
      slots.drop((slot) => !(slot.key[1] === base && pinned(slot.key[2])) && next() < 0.3);
      shown.update([layer], camera, sight, slots);
      const slices = shown.shown(layer.id);
      const list = drawList(layer, SHOWN, slices, sight, slots);
      if (begun) expect(list.uncovered).toBe(0);
      if (slices && hasBase(layer, SHOWN, slices, sight, slots)) begun = true;
    }
    if (begun) started += 1;
  }
  expect(started).toBeGreaterThan(30);
});

test("a layer is not shown where the camera is outside, and comes back at once", () => {
  const layer = layerOf(pyramid([5, 600, 600], 2));
  const slots = new SlotTable<Content>(1e9);
  const shown = new ShownSlices();
  const sight: Sight = { center: [300, 300], zoom: 0.5, size: [50, 50] };
  const at = (z: number): Camera => ({ ...sight, position: { z }, displayed: SHOWN });
  shown.update([layer], at(2), sight, slots);
  expect(shown.shown(0)?.[0]).toEqual([2]);
  shown.update([layer], at(3), sight, slots);
  expect(shown.shown(0)?.[0]).toEqual([2]);
  slots.fail([0, 1, [3], 0, 0], "broken");
  shown.update([layer], at(3), sight, slots);
  expect(shown.shown(0)?.[0]).toEqual([3]);
  shown.update([layer], at(9), sight, slots);
  expect(shown.shown(0)).toBeNull();
  shown.update([layer], at(1), sight, slots);
  expect(shown.shown(0)?.[0]).toEqual([1]);
});

test("the channels of an image change slice together, other images by themselves", () => {
  const channels = [0, 1].map((id) => ({ ...layerOf(pyramid([5, 600, 600], 2)), id }));
  const other = { ...layerOf(pyramid([5, 900, 900], 2)), id: 2 };
  const layers = [...channels, other];
  const slots = new SlotTable<Content>(1e9);
  const shown = new ShownSlices();
  const sight: Sight = { center: [300, 300], zoom: 0.5, size: [50, 50] };
  const at = (z: number): Camera => ({ ...sight, position: { z }, displayed: SHOWN });
  expect(shown.update(layers, at(2), sight, slots)).toBe(true);
  slots.fail([0, 1, [3], 0, 0], "counts as there");
  slots.fail([2, 1, [3], 0, 0], "counts as there");
  expect(shown.update(layers, at(3), sight, slots)).toBe(false);
  expect(layers.map((layer) => shown.shown(layer.id)?.[0])).toEqual([[2], [2], [3]]);
  slots.fail([1, 1, [3], 0, 0], "counts as there");
  expect(shown.update(layers, at(3), sight, slots)).toBe(true);
  expect(layers.map((layer) => shown.shown(layer.id)?.[0])).toEqual([[3], [3], [3]]);
});
