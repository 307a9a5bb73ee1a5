import { expect, test } from "vitest";
import { layerOf, pyramid } from "../../tests/viewer/layers.ts";
import { cellOutlines, sliceOutlines, volumeOutlines } from "./outlines.ts";
import type { HeldCell } from "./points/points_store.ts";
import { drawList } from "./slices/draw_list.ts";
import { SlotTable } from "./slots.ts";
import type { VolumeView } from "./types.ts";

const SIGHT = { center: [256, 256], zoom: 1, size: [400, 300] } as const;

test("what is drawn is outlined, the finest last, with what has failed", () => {
  const layer = layerOf(pyramid([1024, 1024], 2));
  const slots = new SlotTable<{ rows: number; columns: number }>(1e9);
  slots.put([0, 1, [], 0, 0], 1, { rows: 512, columns: 512 }, 0, "disk");
  slots.put([0, 0, [], 0, 0], 1, { rows: 512, columns: 512 }, 0, "network");
  const list = drawList(layer, ["y", "x"], [[], []], SIGHT, slots);
  expect(sliceOutlines([list])).toEqual([
    { layer: 0, level: 0, provenance: "network", place: { x0: 0, y0: 0, x1: 400, y1: 300 } },
  ]);
  const moved = drawList(layer, ["y", "x"], [[], []], { ...SIGHT, center: [256, 512] }, slots);
  expect(sliceOutlines([moved]).map(({ level, provenance }) => [level, provenance])).toEqual([
    [1, "disk"],
    [0, "network"],
  ]);
  slots.fail([0, 0, [], 0, 1], "gone");
  const failed = drawList(layer, ["y", "x"], [[], []], { ...SIGHT, center: [256, 512] }, slots);
  expect(sliceOutlines([failed]).at(-1)).toMatchObject({ level: null, provenance: "failed" });
});

test("cells of a volume are boxes in the world", () => {
  const slot = { key: [2, 1, [], 0, 0, 0], provenance: "computed" };
  const cell = { slot, low: [-1, -2, -3], high: [1, 2, 3], first: [0, 0], stop: [1, 1] };
  const failed = [
    [
      [1, 2, 3],
      [2, 3, 4],
    ],
  ];
  const list = { cells: [cell], failed } as unknown as Parameters<typeof volumeOutlines>[1];
  expect(volumeOutlines(2, list, [10, 20, 30])).toEqual([
    {
      layer: 2,
      level: null,
      provenance: "failed",
      place: [
        [11, 22, 33],
        [12, 23, 34],
      ],
    },
    {
      layer: 2,
      level: 1,
      provenance: "computed",
      place: [
        [9, 18, 27],
        [11, 22, 33],
      ],
    },
  ]);
});

test("cells of points are the boxes that their points lie in, the finest last", () => {
  const layer = layerOf(pyramid([1, 100, 100], 1));
  const cell = (level: number, low: number[], high: number[]) =>
    ({ key: [0, level, [0]], low, high, provenance: "disk" }) as unknown as HeldCell;
  const cells = [cell(0, [5, 40, 50], [6, 60, 52]), cell(3, [0, 0, 0], [9, 99, 99])];
  const camera = { center: [50, 50], zoom: 2, position: { z: 5 }, displayed: ["y", "x"] } as const;
  expect(cellOutlines(layer, cells, 1, camera, [400, 300])).toEqual([
    { layer: 0, level: 3, provenance: "disk", place: { x0: 98, y0: 48, x1: 300, y1: 250 } },
    { layer: 0, level: 0, provenance: "disk", place: { x0: 198, y0: 128, x1: 206, y1: 172 } },
  ]);
  const volume = { displayed: ["z", "y", "x"] } as unknown as VolumeView;
  const [, fine] = cellOutlines(layer, cells, 0, { ...camera, volume }, [400, 300]);
  expect(fine?.place).toEqual([
    [5, 40, 50],
    [6, 60, 52],
  ]);
});
