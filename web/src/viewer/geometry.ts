/** Where things are: levels, slices, extents and bricks, in world, level and device pixels. Pure. */

import type { Slice } from "./stream/brick_key.ts";
import type { Camera, Layer, Pair } from "./types.ts";

/** Rows and columns of a brick, but for those at the end of a level, where a layer says nothing else. */
export const BRICK = 512;
/** A level counts as fine enough when it misses one data pixel per device pixel by less than this. */
export const LEVEL_TOLERANCE = 1e-6;
/** Bricks, at most, of a base that is always held whole. */
const WHOLE_BASE = 16;
const SLICE_TOLERANCE = 1e-9;

/** A camera on a canvas of a size: all that decides where a world position is drawn. */
export type Sight = {
  readonly center: Pair;
  readonly zoom: number;
  /** [width, height] in device pixels */
  readonly size: Pair;
};

/** Device pixels, half open: columns x0 … x1 − 1, rows y0 … y1 − 1, from the upper left. */
export type Rect = {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
};

/** One level along the two displayed axes: [rows, columns]. */
export type Plane = {
  readonly shape: Pair;
  readonly scale: Pair;
  readonly translation: Pair;
  /** Rows and columns of a whole brick. */
  readonly brick: number;
};

type Displayed = Camera["displayed"];

/** Positions, in the layer's axes, of the displayed ones. Null: this layer does not have both. */
export function displayedAxes(layer: Layer, displayed: Displayed): Pair | null {
  const first = layer.axes.findIndex((axis) => axis.name === displayed[0]);
  const second = layer.axes.findIndex((axis) => axis.name === displayed[1]);
  return first < 0 || second < 0 ? null : [first, second];
}

export function planeOf(layer: Layer, level: number, displayed: Displayed): Plane | null {
  const axes = displayedAxes(layer, displayed);
  const geometry = layer.levels[level];
  if (!axes || !geometry) return null;
  const pick = (values: readonly number[]): Pair => [values[axes[0]] ?? 1, values[axes[1]] ?? 1];
  return {
    shape: pick(geometry.shape),
    scale: pick(geometry.scale),
    translation: pick(geometry.translation),
    brick: layer.brick ?? BRICK,
  };
}

/** Outer edges, in world units, of the finest level. */
export function extentOf(
  layer: Layer,
  displayed: Displayed,
): { readonly low: Pair; readonly high: Pair } | null {
  const plane = planeOf(layer, 0, displayed);
  if (!plane) return null;
  const { shape, scale, translation } = plane;
  return {
    low: [translation[0] - scale[0] / 2, translation[1] - scale[1] / 2],
    high: [
      translation[0] + scale[0] * (shape[0] - 0.5),
      translation[1] + scale[1] * (shape[1] - 0.5),
    ],
  };
}

/** The coarsest level with at least one data pixel per device pixel along both axes. */
export function targetLevel(layer: Layer, displayed: Displayed, zoom: number): number {
  let target = 0;
  for (let level = 1; level < layer.levels.length; level++) {
    const plane = planeOf(layer, level, displayed);
    if (plane && isMinified(plane, zoom)) target = level;
  }
  return target;
}

/** Whether a plane has at least one data pixel per device pixel; then it is interpolated. */
export function isMinified(plane: Plane, zoom: number): boolean {
  return plane.scale.every((scale) => scale * zoom <= 1 + LEVEL_TOLERANCE);
}

/** Pixel of `level` on each axis that is not displayed. Null: the position lies outside the layer. */
export function sliceIndex(
  layer: Layer,
  level: number,
  camera: { readonly displayed: readonly string[]; readonly position: Camera["position"] },
): Slice | null {
  const [finest, geometry] = [layer.levels[0], layer.levels[level]];
  if (!finest || !geometry) return null;
  const index: number[] = [];
  for (const [i, axis] of layer.axes.entries()) {
    if (camera.displayed.includes(axis.name)) continue;
    const [start = 0, step = 1, count = 1] = [
      finest.translation[i],
      finest.scale[i],
      finest.shape[i],
    ];
    const world = camera.position[axis.name] ?? start;
    const fine = (world - start) / step;
    if (!(fine >= -0.5 - SLICE_TOLERANCE && fine <= count - 0.5 + SLICE_TOLERANCE)) return null;
    const pixel = Math.floor(
      (world - (geometry.translation[i] ?? 0)) / (geometry.scale[i] ?? 1) + 0.5,
    );
    index.push(Math.min(Math.max(pixel, 0), (geometry.shape[i] ?? 1) - 1));
  }
  return index;
}

/** The level that is kept for every slice that is shown: the smallest along the displayed axes. */
export function baseLevel(layer: Layer, displayed: Displayed): number {
  let base = 0;
  let smallest = Number.POSITIVE_INFINITY;
  for (let level = 0; level < layer.levels.length; level++) {
    const shape = planeOf(layer, level, displayed)?.shape;
    if (shape && shape[0] * shape[1] <= smallest) {
      base = level;
      smallest = shape[0] * shape[1];
    }
  }
  return base;
}

/** Whether all of a base is wanted and kept, as the server does; of a larger one only what is in sight. */
export function isWhole(base: Plane): boolean {
  const { x1, y1 } = allBricks(base);
  return x1 * y1 <= WHOLE_BASE;
}

/** World position of a point of the canvas: (x, y) in device pixels from the upper left corner. */
export function toWorld(sight: Sight, x: number, y: number): Pair {
  return [
    sight.center[0] + (y - sight.size[1] / 2) / sight.zoom,
    sight.center[1] + (x - sight.size[0] / 2) / sight.zoom,
  ];
}

/** The first device pixel (from 0 … size) along an axis (0: y, 1: x) whose centre is at or behind `world`. */
function firstPixel(sight: Sight, axis: 0 | 1, world: number): number {
  const size = sight.size[1 - axis] ?? 0;
  if (world === Number.NEGATIVE_INFINITY) return 0;
  if (world === Number.POSITIVE_INFINITY) return size;
  const at = Math.ceil((world - sight.center[axis]) * sight.zoom + size / 2 - 0.5);
  return Math.min(Math.max(at, 0), size);
}

/** Device pixels whose centres lie in a world rectangle, half open. */
export function deviceRect(sight: Sight, low: Pair, high: Pair): Rect {
  return {
    x0: firstPixel(sight, 1, low[1]),
    y0: firstPixel(sight, 0, low[0]),
    x1: firstPixel(sight, 1, high[1]),
    y1: firstPixel(sight, 0, high[0]),
  };
}

export function isEmpty(rect: Rect): boolean {
  return rect.x1 <= rect.x0 || rect.y1 <= rect.y0;
}

export function intersect(a: Rect, b: Rect): Rect {
  return {
    x0: Math.max(a.x0, b.x0),
    y0: Math.max(a.y0, b.y0),
    x1: Math.min(a.x1, b.x1),
    y1: Math.min(a.y1, b.y1),
  };
}

/** How far, in data pixels, a brick's cell begins before its first pixel centre: [y, x], and so at its end. */
export type CellShift = { readonly low: Pair; readonly high: Pair };
/** The cell whose data pixels are nearest. */
export const NEAREST: CellShift = { low: [0.5, 0.5], high: [0.5, 0.5] };
/**
 * The *dual cell*: positions whose four surrounding data pixels start in the brick, so that the other three
 * lie in its neighbours to the right and below. Where the brick to the left or above is not `held`, nobody
 * else draws the half pixel before the first centre.
 */
export function dualCell(leftHeld: boolean, upperHeld: boolean): CellShift {
  return { low: [upperHeld ? 0 : 0.5, leftHeld ? 0 : 0.5], high: [0, 0] };
}

/**
 * The device pixels that a brick draws, within `bounds` (the layer's extent on the canvas).
 *
 * The outermost bricks reach to the edge of the extent, whatever rounding made of a coarse level's size.
 */
export function cellRect(
  plane: Plane,
  row: number,
  column: number,
  shift: CellShift,
  sight: Sight,
  bounds: Rect,
): Rect {
  const edge = (axis: 0 | 1, index: number, before: number): number => {
    if (index <= 0) return Number.NEGATIVE_INFINITY;
    if (index * plane.brick >= plane.shape[axis]) return Number.POSITIVE_INFINITY;
    return plane.translation[axis] + plane.scale[axis] * (index * plane.brick - before);
  };
  const low: Pair = [edge(0, row, shift.low[0]), edge(1, column, shift.low[1])];
  const high: Pair = [edge(0, row + 1, shift.high[0]), edge(1, column + 1, shift.high[1])];
  return intersect(deviceRect(sight, low, high), bounds);
}

/** Level coordinates (pixel centres at integers) of the centre of a device pixel. */
export function levelPosition(plane: Plane, sight: Sight, x: number, y: number): Pair {
  const world = toWorld(sight, x + 0.5, y + 0.5);
  return [
    (world[0] - plane.translation[0]) / plane.scale[0],
    (world[1] - plane.translation[1]) / plane.scale[1],
  ];
}

export function allBricks(plane: Plane): Rect {
  const [rows, columns] = plane.shape;
  return { x0: 0, y0: 0, x1: Math.ceil(columns / plane.brick), y1: Math.ceil(rows / plane.brick) };
}

/** Rows and columns of the bricks that may draw something within `bounds`; half open, never too few. */
export function brickRange(plane: Plane, sight: Sight, bounds: Rect): Rect {
  if (isEmpty(bounds)) return { x0: 0, y0: 0, x1: 0, y1: 0 };
  const first = levelPosition(plane, sight, bounds.x0, bounds.y0);
  const last = levelPosition(plane, sight, bounds.x1 - 1, bounds.y1 - 1);
  // Half a pixel and rounding: one brick more at an edge costs a look into a map.
  const index = (axis: 0 | 1, position: number) => {
    const count = Math.ceil(plane.shape[axis] / plane.brick);
    return Math.min(Math.max(Math.floor(position / plane.brick), 0), count - 1);
  };
  return {
    x0: index(1, first[1] - 1),
    y0: index(0, first[0] - 1),
    x1: index(1, last[1] + 1) + 1,
    y1: index(0, last[0] + 1) + 1,
  };
}
