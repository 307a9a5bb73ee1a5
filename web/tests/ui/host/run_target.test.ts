import { expect, test } from "vitest";
import type { PluginInput, PluginOperation } from "../../../src/ui/host/host_service.ts";
import {
  levelText,
  mayBeVolumes,
  otherAxes,
  proposedInputs,
  whereOf,
  workedAxes,
} from "../../../src/ui/host/run_target.ts";
import { layer } from "../../fake/scenes.ts";

function input(name: string, kind: string, more: Partial<PluginInput> = {}): PluginInput {
  return {
    name,
    kind,
    title: name,
    description: "",
    axes: null,
    lazy: false,
    optional: false,
    ...more,
  };
}
function operation(...inputs: PluginInput[]): PluginOperation {
  const form = { title: "", properties: {}, required: [] };
  return { name: "run", title: "Run", description: "", inputs, outputs: [], form, refused: "" };
}

const LAYERS = [
  layer(3, "nuclei", { kind: "labels" }),
  layer(2, "colour", { kind: "rgb" }),
  layer(1, "GFP"),
  layer(0, "DAPI"),
];
const proposed = (inputs: PluginInput[], recent: number[], hidden: number[] = []) =>
  Object.fromEntries(proposedInputs(inputs, LAYERS, recent, ({ id }) => !hidden.includes(id)));

test("the layer that was selected last is proposed where it fits, else the top one shown", () => {
  expect(proposed([input("image", "image")], [0])).toEqual({ image: 0 });
  expect(proposed([input("image", "image")], [3, 7, 0, 1])).toEqual({ image: 0 });
  expect(proposed([input("image", "image")], [3])).toEqual({ image: 2 });
  expect(proposed([input("image", "image")], [], [2])).toEqual({ image: 1 });
  expect(proposed([input("image", "image")], [], [0, 1, 2])).toEqual({ image: 2 });
});

test("several inputs get different layers, optional ones and unknown kinds none", () => {
  expect(proposed([input("moving", "image"), input("fixed", "image")], [0])).toEqual({
    moving: 0,
    fixed: 2,
  });
  expect(proposed([input("a", "labels"), input("b", "labels")], [])).toEqual({ a: 3, b: 3 });
  expect(proposed([input("mask", "labels", { optional: true })], [3])).toEqual({});
  expect(proposed([input("spots", "points")], [0])).toEqual({});
});

test("an operation works on its image's axes; the others are run over", () => {
  expect(workedAxes(operation(input("table", "table"), input("image", "image")))).toBe("yx");
  const volume = operation(input("image", "image", { axes: "zyx" }));
  expect(workedAxes(volume)).toBe("zyx");
  const stack = layer(0, "stack");
  expect(otherAxes(stack, "yx", 0)).toEqual([
    { name: "t", count: 5 },
    { name: "z", count: 61 },
  ]);
  expect(otherAxes(stack, "zyx", 1)).toEqual([{ name: "t", count: 5 }]);
  expect(otherAxes(stack, "yx", 9)).toEqual([]);
});

test("volumes may be chosen for a stack, by an operation that declares no axes", () => {
  const stack = layer(0, "stack");
  expect(mayBeVolumes(operation(input("image", "image")), stack, 0)).toBe(true);
  const plane = operation(input("image", "image", { axes: "yx" }));
  expect(mayBeVolumes(plane, stack, 0)).toBe(false);
  const flat = layer(0, "photo", {
    axes: [
      { name: "y", type: "space", unit: null },
      { name: "x", type: "space", unit: null },
    ],
    levels: [{ shape: [480, 640], scale: [1, 1], translation: [0, 0] }],
  });
  expect(mayBeVolumes(operation(input("image", "image")), flat, 0)).toBe(false);
});

test("a level is told by its size and its pixels", () => {
  expect(levelText(layer(0, "plate"), 1, "yx")).toBe("8192 × 8192, 0.65 µm");
  expect(levelText(layer(0, "plate"), 0, "zyx")).toBe("61 × 16384 × 16384, 0.5 × 0.325 µm");
  const plain = layer(0, "photo", {
    axes: [
      { name: "y", type: "space", unit: null },
      { name: "x", type: "space", unit: null },
    ],
    levels: [{ shape: [480, 640], scale: [1, 1], translation: [0, 0] }],
  });
  expect(levelText(plain, 0, "yx")).toBe("480 × 640");
});

test("the place of a run holds what the choice needs", () => {
  const camera = {
    center: [1, 2],
    zoom: 3,
    position: { z: 4 },
    displayed: ["y", "x"],
  } as const;
  expect(whereOf({ region: "visible" }, camera, [800, 600])).toEqual({
    region: "visible",
    size: [800, 600],
    ...camera,
  });
  expect(whereOf({ region: "whole", level: 2, slices: "all" }, camera, [800, 600])).toEqual({
    region: "whole",
    level: 2,
    slices: "all",
    position: { z: 4 },
  });
});
