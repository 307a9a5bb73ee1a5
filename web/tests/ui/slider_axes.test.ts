import { expect, test } from "vitest";
import { indexOf, positionOf, sliderAxes } from "../../src/ui/slider_axes.ts";
import { layer, PLATE } from "../fake/scenes.ts";

test("one slider per axis that is not displayed", () => {
  const axes = sliderAxes(PLATE.layers, ["y", "x"]);
  expect(axes.map((axis) => [axis.name, axis.count, axis.step])).toEqual([
    ["t", 5, 30],
    ["z", 61, 0.5],
  ]);
});

test("axes with one slice have none", () => {
  const flat = layer(0, "flat", {
    levels: [{ shape: [1, 1, 9, 9], scale: [1, 1, 1, 1], translation: [0, 0, 0, 0] }],
  });
  expect(sliderAxes([flat], ["y", "x"])).toEqual([]);
});

test("a slider spans all layers, in the finest steps", () => {
  const axes = [
    { name: "z", type: "space", unit: null } as const,
    ...(PLATE.layers[0]?.axes.slice(2) ?? []),
  ];
  const at = (start: number, scale: number, count: number) =>
    layer(0, "", {
      axes,
      levels: [{ shape: [count, 9, 9], scale: [scale, 1, 1], translation: [start, 0, 0] }],
    });
  const [z] = sliderAxes([at(10, 2, 6), at(0, 5, 3)], ["y", "x"]);
  expect(z).toMatchObject({ low: 0, step: 2, count: 11 });
});

test("points are cut in slices along axes in space, where no image has any", () => {
  const axes = (names: string) =>
    [...names].map((name) => ({
      name,
      type: name === "t" ? ("time" as const) : ("space" as const),
      unit: null,
    }));
  const points = (id: number, low: number, high: number) =>
    layer(id, "points", {
      kind: "points",
      axes: axes("tzyx"),
      levels: [
        {
          shape: [1, 1, 1, 1],
          scale: [1, high - low, 9, 9],
          translation: [0, (low + high) / 2, 0, 0],
        },
      ],
    });
  const both = [points(0, 10, 20), points(1, 12, 42)];
  expect(sliderAxes(both, ["y", "x"])).toEqual([
    { name: "z", type: "space", unit: null, low: 10, step: 1, count: 33, isOfPoints: true },
  ]);
  const stack = layer(2, "stack", {
    axes: axes("zyx"),
    levels: [{ shape: [5, 9, 9], scale: [2, 1, 1], translation: [0, 0, 0] }],
  });
  const [z] = sliderAxes([...both, stack], ["y", "x"]);
  expect(z).toMatchObject({ name: "z", isOfPoints: false, step: 2 });
});

test("index and position are each other's inverse, and stay inside", () => {
  const place = { low: -3, step: 0.1, count: 50, isOfPoints: false };
  const axis = { name: "z", type: "space", unit: null, ...place } as const;
  for (let index = 0; index < axis.count; index += 1) {
    expect(indexOf(axis, positionOf(axis, index))).toBe(index);
  }
  expect(indexOf(axis, -99)).toBe(0);
  expect(indexOf(axis, 99)).toBe(49);
  expect(positionOf(axis, 1000)).toBeCloseTo(1.9);
});
