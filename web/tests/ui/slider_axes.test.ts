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

test("index and position are each other's inverse, and stay inside", () => {
  const axis = { name: "z", type: "space", unit: null, low: -3, step: 0.1, count: 50 } as const;
  for (let index = 0; index < axis.count; index += 1) {
    expect(indexOf(axis, positionOf(axis, index))).toBe(index);
  }
  expect(indexOf(axis, -99)).toBe(0);
  expect(indexOf(axis, 99)).toBe(49);
  expect(positionOf(axis, 1000)).toBeCloseTo(1.9);
});
