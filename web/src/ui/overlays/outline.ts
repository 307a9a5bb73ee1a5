/** Where the edges of layers and the directions of axes are on the canvas. Pure. */
import { extentOf } from "../../viewer/geometry.ts";
import type { Box, Camera, Layer, Pair, Triple } from "../../viewer/types.ts";
import {
  cameraAxes,
  project,
  type VolumeSight,
  volumeSight,
} from "../../viewer/volumes/volume_camera.ts";

/** From one end to the other: [x, y] in device pixels. */
export type Line = readonly [start: Pair, end: Pair];

/** The edges of a layer's extent: four, or twelve in 3D; fewer where some are behind the eye. */
export function edgesOf(layer: Layer, camera: Camera, size: Pair): readonly Line[] {
  return camera.volume ? volumeEdges(layer, camera, size) : sliceEdges(layer, camera, size);
}

function sliceEdges(layer: Layer, camera: Camera, size: Pair): readonly Line[] {
  const extent = extentOf(layer, camera.displayed);
  if (!extent) return [];
  const place = (world: Pair): Pair => [
    (world[1] - camera.center[1]) * camera.zoom + size[0] / 2,
    (world[0] - camera.center[0]) * camera.zoom + size[1] / 2,
  ];
  const { low, high } = extent;
  const corners = [low, [low[0], high[1]], high, [high[0], low[1]]] as const;
  return corners.map((corner, number) => [
    place(corner),
    place(corners[(number + 1) % 4] ?? corner),
  ]);
}

function volumeEdges(layer: Layer, { volume }: Camera, size: Pair): readonly Line[] {
  if (!volume) return [];
  const sides = volume.displayed.map((name) => sideOf(layer, name));
  const [depth, row, column] = sides;
  if (!depth || !row || !column) return [];
  const low: Triple = [depth[0], row[0], column[0]];
  const high: Triple = [depth[1], row[1], column[1]];
  return boxEdges([low, high], volume.center, volumeSight(volume, size));
}

/** The edges of a box in the world, but for those that are behind the eye. */
export function boxEdges(box: Box, center: Triple, sight: VolumeSight): readonly Line[] {
  const corner = (bits: number): Pair | null => {
    const at = (axis: 0 | 1 | 2, high: number) => box[high ? 1 : 0][axis] - center[axis];
    return project(sight, [at(0, bits & 4), at(1, bits & 2), at(2, bits & 1)]);
  };
  const lines: Line[] = [];
  for (let bits = 0; bits < 8; bits++) {
    for (const bit of [1, 2, 4]) {
      if (bits & bit) continue;
      const [start, end] = [corner(bits), corner(bits | bit)];
      if (start && end) lines.push([start, end]);
    }
  }
  return lines;
}

/** Outer edges of a layer along an axis that it may lack. */
function sideOf(layer: Layer, name: string): Pair | null {
  const index = layer.axes.findIndex((axis) => axis.name === name);
  const finest = layer.levels[0];
  const [count, scale, start] = [
    finest?.shape[index],
    finest?.scale[index],
    finest?.translation[index],
  ];
  if (count === undefined || scale === undefined || start === undefined) return null;
  return [start - scale / 2, start + scale * (count - 0.5)];
}

/** An axis that is displayed: where it points on the canvas, and how much of it towards the eye. */
export type Direction = {
  readonly name: string;
  readonly x: number;
  readonly y: number;
  readonly away: number;
};

/** Those that are displayed, the farthest first, so that nearer ones are drawn over them. */
export function directionsOf(camera: Camera): readonly Direction[] {
  const { volume, displayed } = camera;
  if (!volume) {
    return [
      { name: displayed[0], x: 0, y: 1, away: 0 },
      { name: displayed[1], x: 1, y: 0, away: 0 },
    ];
  }
  const [right, down, forward] = cameraAxes(volume.orientation);
  return volume.displayed
    .map((name, axis) => ({
      name,
      x: right[axis] ?? 0,
      y: down[axis] ?? 0,
      away: forward[axis] ?? 0,
    }))
    .sort((one, other) => other.away - one.away);
}
