import { expect, test } from "vitest";
import { layerOf, pyramid } from "../../tests/viewer/layers.ts";
import {
  chooseDisplayed,
  fitTo,
  pan,
  sightOf,
  startPosition,
  turnedTo,
  zoomAt,
  zoomLimits,
} from "./camera.ts";
import { toWorld } from "./geometry.ts";
import type { Camera } from "./types.ts";

const camera: Camera = { center: [100, 200], zoom: 0.5, position: {}, displayed: ["y", "x"] };
const OPEN = [0, Number.POSITIVE_INFINITY] as const;

test("fitting shows all layers whole", () => {
  const one = layerOf(pyramid([100, 300], 1, 0.5));
  const other = layerOf([{ shape: [10, 10], scale: [1, 1], translation: [95.5, 0] }]);
  const fit = fitTo([one, other], [600, 400], ["y", "x"]);
  expect(fit.center).toEqual([(105 - 0.25) / 2, (149.75 - 0.5) / 2]);
  expect(fit.zoom).toBeCloseTo(Math.min(600 / 150.25, 400 / 105.25), 12);
});

test("other axes start in the middle of space and at the first of time", () => {
  const layer = layerOf(pyramid([7, 8, 50, 50], 1));
  expect(startPosition([layer], ["y", "x"])).toEqual({ t: 0, z: 3 });
});

test("y and x are shown, or the last two axes", () => {
  expect(chooseDisplayed([layerOf(pyramid([3, 9, 9], 1))])).toEqual(["y", "x"]);
  const odd = layerOf(pyramid([9, 9], 1), {
    axes: [
      { name: "r", type: "other", unit: null },
      { name: "phi", type: "other", unit: null },
    ],
  });
  expect(chooseDisplayed([odd])).toEqual(["r", "phi"]);
});

test("panning moves what is shown", () => {
  expect(pan(camera, 10, -4).center).toEqual([108, 180]);
});

test("zooming keeps the world under the pointer, far out too", () => {
  for (const center of [
    [0, 0],
    [2 ** 27 - 3.25, 2 ** 26],
  ] as const) {
    const here = { ...camera, center };
    const before = toWorld(sightOf(here, [640, 480]), 17, 400);
    const after = zoomAt(here, [640, 480], 1.7, [17, 400], OPEN);
    const world = toWorld(sightOf(after, [640, 480]), 17, 400);
    expect(world[0]).toBeCloseTo(before[0], 6);
    expect(world[1]).toBeCloseTo(before[1], 6);
    expect(after.zoom).toBeCloseTo(0.85, 12);
  }
});

test("zoom stays within its limits, and what is beyond is not thrown back", () => {
  const limits = zoomLimits([layerOf(pyramid([1000, 1000], 3, 0.5))], [500, 500], ["y", "x"]);
  expect(limits).toEqual([1 / 8, 512]);
  expect(zoomAt(camera, [9, 9], 1e9, [0, 0], limits).zoom).toBe(512);
  expect(zoomAt(camera, [9, 9], 1e-9, [0, 0], limits).zoom).toBe(1 / 8);
  expect(zoomAt({ ...camera, zoom: 2000 }, [9, 9], 2, [0, 0], limits).zoom).toBe(2000);
  expect(zoomAt({ ...camera, zoom: 2000 }, [9, 9], 0.5, [0, 0], limits).zoom).toBe(1000);
});

test("turned to other axes, the camera is at the same place", () => {
  const camera: Camera = {
    center: [10, 20],
    zoom: 2,
    position: { z: 5, t: 7 },
    displayed: ["y", "x"],
  };
  const side = turnedTo(camera, ["z", "x"]);
  expect(side).toEqual({
    center: [5, 20],
    zoom: 2,
    position: { y: 10, t: 7 },
    displayed: ["z", "x"],
  });
  expect(turnedTo(side, ["y", "x"])).toEqual(camera);
  expect(turnedTo(camera, ["y", "x"])).toBe(camera);
});
