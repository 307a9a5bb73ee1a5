import { expect, test } from "vitest";
import { cameraAt, placeOf } from "../../../src/ui/quad/place.ts";
import type { Camera, VolumeView } from "../../../src/viewer/types.ts";

const FRONT: Camera = {
  center: [10, 20],
  zoom: 3,
  position: { z: 5, t: 2 },
  displayed: ["y", "x"],
};
const SIDE: Camera = { center: [0, 0], zoom: 1, position: { y: 0, t: 0 }, displayed: ["z", "x"] };
const VOLUME = {
  center: [0, 0, 0],
  zoom: 1,
  displayed: ["z", "y", "x"],
  orientation: [1, 0, 0, 0],
} as unknown as VolumeView;

test("slices along other axes and volumes are at the place of a slice", () => {
  const place = placeOf(FRONT);
  expect(place).toEqual({ world: { y: 10, x: 20, z: 5, t: 2 }, zoom: 3 });
  const side = { ...SIDE, ...cameraAt(SIDE, place) };
  expect(side).toMatchObject({ center: [5, 20], zoom: 3, position: { y: 10, t: 2 } });
  expect(placeOf(side)).toEqual(place);
  const around = { ...SIDE, ...cameraAt({ ...SIDE, volume: VOLUME }, place) };
  expect(around.volume).toMatchObject({ center: [5, 10, 20], zoom: 3, orientation: [1, 0, 0, 0] });
  expect(placeOf({ ...around, position: { t: 2 } }).world).toMatchObject(place.world);
});

test("who is there already does not move, so that views do not follow each other for ever", () => {
  const place = placeOf(FRONT);
  const side = { ...SIDE, ...cameraAt(SIDE, place) };
  expect(cameraAt(side, place)).toBeNull();
  expect(cameraAt(FRONT, placeOf(side))).toBeNull();
  expect(cameraAt(FRONT, { ...place, zoom: 4 })).not.toBeNull();
});
