import { describe, expect, test } from "vitest";
import { random, whole } from "../../../tests/viewer/random.ts";
import type { PointsKey } from "../stream/brick_key.ts";
import type { PointsPart, Sample } from "../stream/server_messages.ts";
import type { Layer, LayerSettings, Property, VolumeView } from "../types.ts";
import { looking, volumeSight } from "../volumes/volume_camera.ts";
import { type Discs, discAt, discsOf, discsWithin, pointOf, STRIDE } from "./discs.ts";
import { PointsScene } from "./points_scene.ts";
import { pointsSightOf, sliceSight } from "./points_sight.ts";
import { PointsStore } from "./points_store.ts";
import { sizing, toneOf } from "./points_tone.ts";

const AREA: Property = { name: "area", dtype: "float64", range: [0, 10], categories: 0 };
const KIND: Property = { name: "kind", dtype: "uint8", range: null, categories: 3 };
const SETTINGS: LayerSettings = {
  visible: true,
  opacity: 1,
  contrast: [0, 10],
  gamma: 1,
  colormap: "gray",
  blending: "translucent",
  size: 4,
  unit: "screen",
  colour: "#ff8000",
  colourBy: "",
  sizeBy: "",
  thickness: {},
};
const LAYER: Layer = {
  id: 7,
  name: "cells",
  kind: "points",
  dtype: "float32",
  data_dtype: "points",
  samples: 1,
  axes: ["z", "y", "x"].map((name) => ({ name, type: "space", unit: null })),
  levels: [{ shape: [1, 1, 1], scale: [100, 100, 100], translation: [50, 50, 50] }],
  defaults: SETTINGS,
  range: [0, 10],
  points: { count: 100, properties: [AREA, KIND] },
};

type Numbers = readonly (readonly number[])[];

function part(cell: number, first: number, points: Numbers, more: Partial<PointsPart> = {}) {
  const properties = more.properties ?? [];
  const axes = points.flatMap((point) => point.slice(0, 3));
  const values = properties.flatMap((_, i) => points.map((point) => point[3 + i] ?? 0));
  return {
    type: "points",
    generation: 1,
    key: keyOf(cell),
    first,
    count: points.length,
    properties,
    provenance: "disk",
    payload: new Uint8Array(Float64Array.from([...axes, ...values]).buffer),
    ...more,
  } as const satisfies PointsPart;
}

function keyOf(cell: number): PointsKey {
  return [7, 2, [cell]];
}

function sampleOf(counts: readonly number[], more: Partial<Sample> = {}): Sample {
  const cells = counts.map((count, i) => ({ key: keyOf(i), count, start: i, stop: i + 1 }));
  return { layer: 7, most: 1000, slab: {}, cells, ...more };
}

const SLICE = sliceSight({ center: [50, 50], zoom: 2, displayed: ["y", "x"] }, [100, 80]);

/** The discs as x, y, radius and colour. */
function listed(discs: Discs | null): readonly (readonly [number, number, number, string])[] {
  if (!discs) throw new Error("there are none");
  const bytes = new Uint8Array(discs.data.buffer);
  return Array.from({ length: discs.count }, (_, i) => {
    const [x = 0, y = 0, radius = 0] = discs.data.subarray(i * STRIDE, i * STRIDE + 3);
    const at = (i * STRIDE + 3) * 4;
    return [x, y, radius, Buffer.from(bytes.subarray(at, at + 3)).toString("hex")];
  });
}

describe("the store", () => {
  test("points come piece by piece, and only after those before them", () => {
    const store = new PointsStore();
    store.put(LAYER, part(0, 2, [[9, 9, 9]]), 1);
    expect(store.get(keyOf(0))).toBeNull();
    store.put(LAYER, part(0, 0, [[1, 2, 3]]), 1);
    store.put(LAYER, part(0, 1, [[4, 5, 6]]), 2);
    expect([...(store.get(keyOf(0))?.positions ?? [])]).toEqual([1, 2, 3, 4, 5, 6]);
    expect(store.get(keyOf(0))).toMatchObject({ low: [1, 2, 3], high: [4, 5, 6] });
    expect([store.count, store.bytes]).toEqual([1, 48]);
    store.put(LAYER, part(0, 0, [[7, 8, 9]]), 3);
    expect([store.get(keyOf(0))?.count, store.bytes]).toEqual([1, 24]);
  });

  test("what cannot be is not kept", () => {
    const store = new PointsStore();
    store.put(LAYER, { ...part(0, 0, [[1, 2, 3]]), count: 2 }, 1);
    store.put({ ...LAYER, kind: "image" }, part(0, 0, [[1, 2, 3]]), 1);
    expect(store.count).toBe(0);
  });

  test("a payload that is not aligned is read too", () => {
    const store = new PointsStore();
    const made = part(0, 0, [[1, 2, 3]]);
    const shifted = new Uint8Array(made.payload.length + 4);
    shifted.set(made.payload, 4);
    store.put(LAYER, { ...made, payload: shifted.subarray(4) }, 1);
    expect([...(store.get(keyOf(0))?.positions ?? [])]).toEqual([1, 2, 3]);
  });

  test("with other properties nothing that is held, or on its way, counts", () => {
    const store = new PointsStore();
    store.put(LAYER, part(0, 0, [[1, 2, 3]]), 1);
    store.turn(7, 5);
    store.put(LAYER, part(0, 1, [[4, 5, 6]], { generation: 4 }), 1);
    expect(store.get(keyOf(0))).toMatchObject({ count: 1, known: false });
    expect(store.evict(() => false, 0)).toEqual([]);
    expect(store.bytes).toBe(0);
    store.put(LAYER, part(0, 0, [[1, 2, 3, 9]], { generation: 5, properties: ["area"] }), 1);
    expect(store.get(keyOf(0))?.values.get("area")).toEqual(Float64Array.of(9));
    expect(store.drop(() => true)).toEqual([keyOf(0)]);
  });

  test("it keeps to its budget, whatever comes and goes", () => {
    const chance = random(3);
    const store = new PointsStore();
    let gone = 0;
    for (let frame = 0; frame < 400; frame++) {
      const cell = whole(chance, 0, 11);
      const first = whole(chance, 0, 1) * (store.get(keyOf(cell))?.count ?? 0);
      store.put(LAYER, part(cell, first, Array(whole(chance, 1, 6)).fill([1, 2, 3])), frame);
      gone += store.evict((held) => held.key[2][0] === 0, 24 * 20).length;
      expect(store.bytes).toBeLessThanOrEqual(24 * 20 + 24 * (store.get(keyOf(0))?.count ?? 0));
    }
    expect(gone).toBeGreaterThan(20);
    store.drop(() => true);
    expect([store.bytes, store.count]).toEqual([0, 0]);
  });
});

describe("discs", () => {
  test("lie where their points do, in the order of the sample", () => {
    const store = new PointsStore();
    store.put(LAYER, part(1, 0, [[0, 45, 55]]), 1);
    store.put(
      LAYER,
      part(0, 0, [
        [0, 50, 50],
        [0, 200, 50],
        [0, 52, 40],
        [0, 51, 51],
      ]),
      1,
    );
    const discs = discsOf(LAYER, SETTINGS, sampleOf([3, 1]), store, SLICE, {});
    expect(listed(discs)).toEqual([
      [50, 40, 2, "ff8000"],
      [30, 44, 2, "ff8000"],
      [60, 30, 2, "ff8000"],
    ]);
    expect(discs && pointOf(discs, 2)).toEqual({ key: keyOf(1), index: 0 });
    expect(discs && pointOf(discs, 3)).toBeNull();
  });

  test("only those of the slice are shown, and only the lowest ranks of too many", () => {
    const store = new PointsStore();
    store.put(
      LAYER,
      part(
        0,
        0,
        [0, 1, 2, 3].map((z) => [z, 50, 50 + z]),
      ),
      1,
    );
    const slab = discsOf(LAYER, SETTINGS, sampleOf([4], { slab: { z: [1, 2] } }), store, SLICE, {});
    expect(listed(slab).map(([x]) => x)).toEqual([52, 54]);
    const few = discsOf(LAYER, SETTINGS, sampleOf([4], { most: 3 }), store, SLICE, {});
    expect(listed(few).map(([x]) => x)).toEqual([50, 52, 54]);
    const flat = { ...LAYER, axes: LAYER.axes.slice(0, 1) };
    expect(discsOf(flat, SETTINGS, sampleOf([4]), store, SLICE, {})).toBeNull();
  });

  test("far from the origin they are as exact as near it", () => {
    const store = new PointsStore();
    const far = 2 ** 27;
    store.put(LAYER, part(0, 0, [[0, far + 0.25, far + 0.5]]), 1);
    const sight = sliceSight({ center: [far, far], zoom: 64, displayed: ["y", "x"] }, [100, 80]);
    expect(listed(discsOf(LAYER, SETTINGS, sampleOf([1]), store, sight, {}))[0]).toEqual([
      82,
      56,
      2,
      "ff8000",
    ]);
  });

  test("colours and sizes come from properties; without a number there is no disc", () => {
    const store = new PointsStore();
    const points = [
      [0, 50, 50, 0, 1],
      [0, 50, 51, 10, 0],
      [0, 50, 52, Number.NaN, 2],
    ];
    store.put(LAYER, part(0, 0, points, { properties: ["area", "kind"] }), 1);
    const by = { ...SETTINGS, colourBy: "area", sizeBy: "area" };
    expect(listed(discsOf(LAYER, by, sampleOf([3]), store, SLICE, {}))).toEqual([
      [50, 40, 0.5, "000000"],
      [52, 40, 2, "ffffff"],
    ]);
    const kinds = listed(
      discsOf(LAYER, { ...SETTINGS, colourBy: "kind" }, sampleOf([3]), store, SLICE, {}),
    );
    expect(new Set(kinds.map(([, , , colour]) => colour)).size).toBe(3);
    // What was chosen just now has not come: it is drawn as before.
    const late = new PointsStore();
    late.put(LAYER, part(0, 0, points), 1);
    expect(listed(discsOf(LAYER, by, sampleOf([3]), late, SLICE, {})).length).toBe(3);
  });

  test("in 3D the farthest come first, and keep their colours and points", () => {
    const chance = random(1);
    const points = Array.from({ length: 500 }, () => {
      return [...[0, 0, 0].map(() => 40 + 20 * chance()), 10 * chance()];
    });
    const store = new PointsStore();
    store.put(LAYER, part(0, 0, points, { properties: ["area"] }), 1);
    const volume: VolumeView = {
      center: [50, 50, 50],
      zoom: 1.5,
      orientation: looking(40, 20),
      perspective: 50,
      displayed: ["z", "y", "x"],
      mode: "mip",
      density: null,
      threshold: null,
      quality: 1,
      clip: null,
    };
    const camera = volumeSight(volume, [100, 80]);
    const sight = pointsSightOf(volume, camera);
    const settings: LayerSettings = { ...SETTINGS, colourBy: "area", unit: "world", size: 2 };
    const discs = discsOf(LAYER, settings, sampleOf([500]), store, sight, {});
    if (!discs) throw new Error("there are none");
    expect(discs.count).toBeGreaterThan(300);
    const [, , forward] = camera.axes;
    const table = listed(discs).map(([, , radius, colour], disc) => {
      const [z = 0, y = 0, x = 0, area = 0] = points[pointOf(discs, disc)?.index ?? -1] ?? [];
      const depth = forward[0] * (z - 50) + forward[1] * (y - 50) + forward[2] * (x - 50);
      const grey = Math.floor((area / 10) * 255 + 0.5);
      expect(colour).toBe(grey.toString(16).padStart(2, "0").repeat(3));
      expect(radius).toBeCloseTo(sight.scale(depth), 4);
      return depth;
    });
    for (const [i, depth] of table.entries()) {
      expect(depth).toBeLessThanOrEqual((table[i - 1] ?? depth) + 0.01);
    }
  });

  test("of those that reach into some rows, all is kept as it was", () => {
    const store = new PointsStore();
    store.put(
      LAYER,
      part(0, 0, [
        [0, 50, 50],
        [0, 40, 50],
        [0, 52, 51],
      ]),
      1,
    );
    const settings = { ...SETTINGS, colour: "#ff80c0" };
    const discs = discsOf(LAYER, settings, sampleOf([3]), store, SLICE, {});
    if (!discs) throw new Error("there are none");
    const data = new Float32Array(discsWithin(discs, [38, 43]).slice().buffer);
    const [first, , last] = listed(discs);
    expect(listed({ ...discs, data, count: data.length / STRIDE })).toEqual([first, last]);
    expect(discsWithin(discs, [0, 80]).length).toBe(3 * STRIDE);
  });

  test("the uppermost at a place is pointed to, small ones from nearby", () => {
    const store = new PointsStore();
    store.put(
      LAYER,
      part(0, 0, [
        [0, 50, 50],
        [0, 50, 50.5],
        [0, 60, 60],
      ]),
      1,
    );
    const discs = discsOf(LAYER, { ...SETTINGS, size: 1 }, sampleOf([3]), store, SLICE, {});
    if (!discs) throw new Error("there are none");
    expect(discAt(discs, [50, 40])).toBe(1);
    expect(discAt(discs, [48, 40])).toBe(1);
    expect(discAt(discs, [47.5, 40])).toBe(0);
    expect(discAt(discs, [10, 10])).toBe(-1);
  });
});

test("tones of numbers that are all the same, and sizes", () => {
  const same = toneOf(AREA, { ...SETTINGS, contrast: [5, 5] }, {});
  expect([same(5), same(5.1), same(Number.NaN)]).toEqual([0xff000000, 0xffffffff, -1]);
  const size = sizing(AREA);
  expect([-1, 0, 5, 20, Number.NaN].map(size)).toEqual([0.25, 0.25, 0.625, 1, 0.25]);
  expect([0, 1, 2].map(sizing(KIND))).toEqual([0.25, 0.625, 1]);
});

describe("the scene", () => {
  const camera = { center: [50, 50], zoom: 2, position: { z: 1 }, displayed: ["y", "x"] } as const;
  const visible = [{ layer: LAYER, settings: SETTINGS }];

  test("goes on showing a slice until there is something of the next", () => {
    const store = new PointsStore();
    const scene = new PointsScene(store, {});
    scene.setSamples([sampleOf([1], { slab: { z: [0, 2] } })]);
    store.put(LAYER, part(0, 0, [[1, 50, 50]]), 1);
    expect(scene.prepare(camera, [100, 80], visible, 1).caughtUp).toBe(true);
    expect(scene.counts).toEqual({ 7: 1 });
    const next = sampleOf([1, 4], { slab: { z: [4, 6] } });
    scene.setSamples([next]);
    expect(scene.prepare(camera, [100, 80], visible, 2).caughtUp).toBe(false);
    expect(scene.counts).toEqual({ 7: 1 });
    store.put(LAYER, part(1, 0, Array(4).fill([5, 51, 50])), 1);
    expect(scene.prepare(camera, [100, 80], visible, 3).caughtUp).toBe(true);
    expect(scene.counts).toEqual({ 7: 4 });
    // Nothing of it will come: it is shown, empty.
    scene.setSamples([{ ...sampleOf([9], { slab: { z: [8, 9] } }), cells: [] }]);
    expect(scene.prepare(camera, [100, 80], visible, 4).caughtUp).toBe(true);
    expect(scene.counts).toEqual({ 7: 0 });
  });

  test("says what decides which points are sent, and forgets them when that is another property", () => {
    const store = new PointsStore();
    const scene = new PointsScene(store, {});
    expect(scene.isNews({ layer: LAYER, settings: SETTINGS })).toBe(true);
    const looks = scene.looks(visible, 3);
    expect(looks).toEqual({ 7: { size: 4, unit: "screen", properties: [], thickness: {} } });
    expect(scene.isNews({ layer: LAYER, settings: { ...SETTINGS, opacity: 0.5 } })).toBe(false);
    store.put(LAYER, part(0, 0, [[1, 50, 50]]), 1);
    const changed = { ...SETTINGS, colourBy: "area", sizeBy: "area" };
    expect(scene.isNews({ layer: LAYER, settings: changed })).toBe(true);
    expect(scene.looks([{ layer: LAYER, settings: changed }], 4)).toMatchObject({
      7: { properties: ["area"] },
    });
    expect(store.get(keyOf(0))?.known).toBe(false);
  });

  test("finds the point under the pointer, asks for the rest of it once, and tells it", () => {
    const store = new PointsStore();
    const scene = new PointsScene(store, {});
    scene.setSamples([sampleOf([2])]);
    store.put(
      LAYER,
      part(0, 0, [
        [1, 50, 50],
        [3, 60, 60],
      ]),
      1,
    );
    scene.prepare(camera, [100, 80], visible, 1);
    const found = scene.pointAt([70, 60]);
    expect(found).toEqual({
      point: {
        layer: 7,
        place: [70, 60],
        radius: 2,
        position: { z: 3, y: 60, x: 60 },
        properties: null,
      },
      pick: { key: keyOf(0), index: 1 },
    });
    scene.setPicked({ type: "picked", key: keyOf(0), index: 1, properties: { kind: "cell" } });
    const told = scene.pointAt([70, 60]);
    expect([told?.pick, told?.point.properties]).toEqual([null, { kind: "cell" }]);
    expect(scene.pointAt([5, 5])).toBeNull();
  });
});
