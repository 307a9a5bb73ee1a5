import { describe, expect, test } from "vitest";
import {
  changedSettings,
  decodeHash,
  decodeState,
  encodeHash,
  stateForScene,
  type ViewState,
} from "../../src/ui/view_state.ts";
import { PLATE } from "../fake/scenes.ts";

const STATE: ViewState = {
  version: 1,
  camera: {
    center: [0.1 + 0.2, -1234.5678901234567],
    zoom: 1 / 3,
    position: { y: 12.5, t: 0 },
    displayed: ["z", "x"],
  },
  layers: {
    "0": { visible: false, opacity: 0.25, contrast: [-3.5, 1e6] },
    "2": { gamma: 0.5, colormap: "#00ff7f", blending: "minimum" },
  },
  overlays: ["scaleBar", "boxes"],
};

/** A small generator with a seed: a failing case can be repeated. */
function randomFrom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
}

const JUNK: readonly unknown[] = [
  null,
  true,
  0,
  -1,
  1e308,
  "",
  "NaN",
  "𝔷",
  [],
  [1],
  [1, "2"],
  {},
  { length: 2 },
  { __proto__: null },
];

function mutate(value: unknown, random: () => number): unknown {
  if (random() < 0.15) return JUNK[Math.floor(random() * JUNK.length)];
  if (Array.isArray(value)) return value.map((item) => mutate(item, random));
  if (typeof value === "object" && value !== null) {
    const entries = Object.entries(value).map(([key, item]) => [
      random() < 0.05 ? `${key}x` : key,
      mutate(item, random),
    ]);
    return Object.fromEntries(entries);
  }
  return value;
}

/** What the rest of the app relies on. */
function expectSound(state: ViewState | null): void {
  if (state === null) return;
  if (state.camera) {
    const { center, zoom, position } = state.camera;
    expect([...center, zoom, ...Object.values(position)].every(Number.isFinite)).toBe(true);
    expect(zoom).toBeGreaterThan(0);
  }
  for (const [id, settings] of Object.entries(state.layers)) {
    expect(id).toMatch(/^\d+$/);
    const {
      visible = true,
      opacity = 1,
      contrast = [0, 1],
      gamma = 1,
      colormap = "gray",
    } = settings;
    expect(typeof visible).toBe("boolean");
    expect(opacity >= 0 && opacity <= 1).toBe(true);
    expect(contrast[0]).toBeLessThan(contrast[1]);
    expect(gamma).toBeGreaterThan(0);
    expect(typeof colormap).toBe("string");
  }
}

describe("the hash", () => {
  test("holds a view exactly", () => {
    expect(decodeHash(encodeHash(STATE))).toEqual({ state: STATE, problems: [] });
  });

  test("without a view is no problem", () => {
    for (const hash of ["", "#", "#top", "#view"]) {
      expect(decodeHash(hash)).toEqual({ state: null, problems: [] });
    }
  });

  test.each([
    "#view=",
    "#view=%",
    "#view={",
    "#view=null",
    "#view=[]",
    "#view=%7B%22version%22:2%7D",
  ])("%s is ignored with a notice", (hash) => {
    const { state, problems } = decodeHash(hash);
    expect(state).toBeNull();
    expect(problems).toHaveLength(1);
  });

  test("that is enormous is ignored", () => {
    expect(decodeHash(`#view=${"9".repeat(100_000)}`).state).toBeNull();
  });

  test("cut anywhere or with random junk never gives anything unsound", () => {
    const hash = encodeHash(STATE);
    const random = randomFrom(7);
    for (let length = 6; length < hash.length; length += 1) {
      expect(decodeHash(hash.slice(0, length)).state).toBeNull();
    }
    for (let round = 0; round < 2000; round += 1) {
      expectSound(decodeState(mutate(STATE, random)).state);
      const bytes = Array.from({ length: 40 }, () => String.fromCharCode(33 + random() * 90));
      expectSound(decodeHash(`#view=${bytes.join("")}`).state);
    }
  });
});

describe("a part that is wrong", () => {
  test("is left out and named, the rest is kept", () => {
    const { state, problems } = decodeState({
      ...STATE,
      camera: { center: [0, "NaN"], zoom: 1 },
      layers: { "0": { opacity: 7, gamma: 2 }, x: {} },
      overlays: ["scaleBar", "clock"],
    });
    expect(state).toEqual({ version: 1, camera: null, layers: { "0": { gamma: 2 } } });
    expect(problems.join()).toMatch(/the camera; opacity of layer 0; layer x and 1 more/);
  });

  test.each([{ zoom: 0 }, { zoom: -1 }, { zoom: null }, { center: [1, 2, 3] }, { position: [1] }])(
    "is a camera with %o",
    (part) => {
      expect(
        decodeState({ ...STATE, camera: { ...STATE.camera, ...part } }).state?.camera,
      ).toBeNull();
    },
  );

  test("never reaches a prototype", () => {
    const { state } = decodeState(
      JSON.parse('{"version":1,"layers":{"__proto__":{"gamma":2}},"camera":null}'),
    );
    expect(state?.layers).toEqual({});
    expect(Object.getPrototypeOf(state?.layers)).toBe(Object.prototype);
  });
});

describe("a state for a scene", () => {
  const known = new Set(["gray"]);

  test("leaves out layers, axes and colour maps that are not here", () => {
    const { state, problems } = stateForScene(
      {
        version: 1,
        camera: { center: [1, 2], zoom: 3, position: { z: 1, q: 2 } },
        layers: { "1": { colormap: "nowhere", gamma: 2 }, "9": { gamma: 3 } },
      },
      PLATE,
      known,
    );
    expect(state?.camera?.position).toEqual({ z: 1 });
    expect(state?.layers).toEqual({ "1": { gamma: 2 } });
    expect(problems).toHaveLength(2);
  });

  test("says nothing where all fits", () => {
    const layers = { "1": { colormap: "#ff0000" }, "0": { colormap: "gray" } };
    const state: ViewState = { version: 1, camera: null, layers };
    expect(stateForScene(state, PLATE, known)).toEqual({ state, problems: [] });
  });
});

test("only what differs from the defaults is kept", () => {
  const defaults = PLATE.layers[0]?.defaults;
  if (!defaults) throw new Error("no layer");
  expect(changedSettings({ ...defaults, contrast: [...defaults.contrast] }, defaults)).toEqual({});
  expect(changedSettings({ ...defaults, gamma: 2 }, defaults)).toEqual({ gamma: 2 });
});

describe("a look in 3D", () => {
  const volume = {
    center: [1, 2, 3],
    zoom: 2,
    orientation: [1, 0, 0, 0],
    perspective: 40,
    displayed: ["z", "y", "x"],
    mode: "iso",
    quality: 1,
    density: null,
    threshold: 7,
    clip: [
      [0, 0, 0],
      [9, 9, 9],
    ],
  };
  const decode = (change: object) => {
    const camera = { center: [0, 0], zoom: 1, position: {}, volume: { ...volume, ...change } };
    return decodeState({ version: 1, camera, layers: {} });
  };

  test("comes back as it was", () => {
    const { state, problems } = decode({});
    expect(problems).toEqual([]);
    expect(state?.camera?.volume).toEqual(volume);
  });

  test.each([
    { center: [1, 2] },
    { zoom: 0 },
    { orientation: [0, 0, 0, 0] },
    { orientation: [1, 0, 0] },
    { perspective: 170 },
    { displayed: ["z", "y"] },
    { displayed: ["z", "y", "y"] },
    { mode: "sum" },
    { quality: 100 },
    { quality: Number.NaN },
  ])("with %o is left out, and said to be", (change) => {
    const { state, problems } = decode(change);
    expect(state?.camera).toEqual({ center: [0, 0], zoom: 1, position: {} });
    expect(problems.join()).toContain("3D");
  });
});
