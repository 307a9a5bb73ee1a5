import { expect, test } from "vitest";
import { directionsOf, edgesOf } from "../../../src/ui/overlays/outline.ts";
import type { Camera, VolumeView } from "../../../src/viewer/types.ts";
import { looking } from "../../../src/viewer/volumes/volume_camera.ts";
import { layer } from "../../fake/scenes.ts";

const LAYER = layer(0, "box", {
  axes: [
    { name: "z", type: "space", unit: null },
    { name: "y", type: "space", unit: null },
    { name: "x", type: "space", unit: null },
  ],
  levels: [{ shape: [10, 20, 30], scale: [2, 1, 1], translation: [1, 0.5, 0.5] }],
});
const CAMERA: Camera = { center: [10, 15], zoom: 4, position: { z: 0 }, displayed: ["y", "x"] };
const VOLUME: VolumeView = {
  center: [10, 10, 15],
  zoom: 4,
  orientation: [1, 0, 0, 0],
  perspective: 0,
  displayed: ["z", "y", "x"],
  mode: "mip",
  density: null,
  threshold: null,
  quality: 1,
  clip: null,
};

test("the box of a slice is its outer edges, in device pixels", () => {
  const lines = edgesOf(LAYER, CAMERA, [200, 100]);
  expect(lines).toEqual([
    [
      [40, 10],
      [160, 10],
    ],
    [
      [160, 10],
      [160, 90],
    ],
    [
      [160, 90],
      [40, 90],
    ],
    [
      [40, 90],
      [40, 10],
    ],
  ]);
  expect(edgesOf(LAYER, { ...CAMERA, displayed: ["t", "x"] }, [200, 100])).toEqual([]);
});

test("seen from the front, the box of a volume is that of its slices", () => {
  const lines = edgesOf(LAYER, { ...CAMERA, volume: VOLUME }, [200, 100]);
  expect(lines).toHaveLength(12);
  const corners = new Set(lines.flat().map(String));
  expect(corners).toEqual(new Set(["40,10", "160,10", "160,90", "40,90"]));
});

test("with perspective what is nearer is larger, and what is behind the eye is left out", () => {
  const near = { ...VOLUME, perspective: 40 };
  const widths = edgesOf(LAYER, { ...CAMERA, volume: near }, [200, 100])
    .filter(([[, y0], [, y1]]) => Math.abs(y0 - y1) < 1e-9)
    .map(([[x0], [x1]]) => Math.abs(x1 - x0));
  expect(Math.max(...widths)).toBeGreaterThan(Math.min(...widths) * 1.3);
  const within = { ...near, zoom: 400 };
  expect(edgesOf(LAYER, { ...CAMERA, volume: within }, [200, 100]).length).toBeLessThan(12);
});

test("axes point where they are drawn", () => {
  expect(directionsOf(CAMERA).map(({ name, x, y }) => [name, x, y])).toEqual([
    ["y", 0, 1],
    ["x", 1, 0],
  ]);
  const turned = directionsOf({ ...CAMERA, volume: { ...VOLUME, orientation: looking(90, 0) } });
  const x = turned.find(({ name }) => name === "x");
  expect(Math.abs(x?.x ?? 1)).toBeLessThan(1e-9);
  expect(Math.abs(x?.away ?? 0)).toBeCloseTo(1);
});
