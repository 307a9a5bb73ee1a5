/** From where one looks at a volume. Pure; triples are along the displayed axes (z, y, x), in doubles. */

import type { Pair, Quaternion, Triple, VolumeView } from "../types.ts";

/** With perspective, what is nearer to the eye than this share of its distance to the centre is not seen. */
export const NEAR = 1 / 16;
/** Degrees: the widest field of view. */
export const WIDEST = 150;

/** Right, down and forward as vectors in the world. */
export type Axes = readonly [right: Triple, down: Triple, forward: Triple];

export type VolumeSight = {
  readonly center: Triple;
  readonly zoom: number;
  /** [width, height] in device pixels */
  readonly size: Pair;
  readonly axes: Axes;
  /** From the eye to the centre; infinite without perspective. */
  readonly distance: number;
};

export function volumeSight(volume: VolumeView, size: Pair): VolumeSight {
  const { center, zoom, perspective } = volume;
  const half = Math.tan((perspective * Math.PI) / 360);
  const distance = perspective > 0 ? size[1] / 2 / zoom / half : Number.POSITIVE_INFINITY;
  return { center, zoom, size, axes: cameraAxes(volume.orientation), distance };
}

/** The last three parts of a quaternion are along x, y, z; what comes out is along z, y, x. */
export function cameraAxes(orientation: Quaternion): Axes {
  const [w, x, y, z] = unit(orientation);
  return [
    [2 * (x * z - w * y), 2 * (x * y + w * z), 1 - 2 * (y * y + z * z)],
    [2 * (y * z + w * x), 1 - 2 * (x * x + z * z), 2 * (x * y - w * z)],
    [1 - 2 * (x * x + y * y), 2 * (y * z - w * x), 2 * (x * z + w * y)],
  ];
}

/** The product: turns by `second` in the axes that `first` has turned. */
export function times(first: Quaternion, second: Quaternion): Quaternion {
  const [a, b, c, d] = first;
  const [e, f, g, h] = second;
  return [
    a * e - b * f - c * g - d * h,
    a * f + b * e + c * h - d * g,
    a * g - b * h + c * e + d * f,
    a * h + b * g - c * f + d * e,
  ];
}

export function unit(q: Quaternion): Quaternion {
  const length = Math.hypot(...q) || 1;
  return [q[0] / length, q[1] / length, q[2] / length, q[3] / length];
}

/** Turn around an axis of the camera: [right, down, forward]. */
export function around(axis: Triple, radians: number): Quaternion {
  const half = Math.sin(radians / 2);
  return [Math.cos(radians / 2), axis[0] * half, axis[1] * half, axis[2] * half];
}

/** Degrees to the side and upwards that a camera walked around its centre. */
export function looking(turn: number, tilt: number): Quaternion {
  const radians = Math.PI / 180;
  return times(around([0, 1, 0], turn * radians), around([1, 0, 0], -tilt * radians));
}

export function dot(a: Triple, b: Triple): number {
  return a[0] * b[0] + a[1] * b[1] + a[2] * b[2];
}

export function combine(a: Triple, times: number, b: Triple): Triple {
  return [a[0] + times * b[0], a[1] + times * b[1], a[2] + times * b[2]];
}

/** The size on the canvas of a voxel so large along each axis, at the nearest point of a relative box. */
export function voxelPixels(sight: VolumeSight, low: Triple, high: Triple, voxel: Triple): number {
  const { axes, zoom, distance } = sight;
  const [right, down, forward] = axes;
  let away = 1;
  let [tilt, lean] = [0, 0];
  if (Number.isFinite(distance)) {
    const half: Triple = [(high[0] - low[0]) / 2, (high[1] - low[1]) / 2, (high[2] - low[2]) / 2];
    const near = -dot([Math.abs(forward[0]), Math.abs(forward[1]), Math.abs(forward[2])], half);
    const point = combine(combine(low, 1, half), near, forward);
    const depth = Math.max(distance + dot(point, forward), NEAR * distance);
    tilt = dot(point, right) / depth;
    lean = dot(point, down) / depth;
    away = distance / depth;
  }
  let largest = 0;
  for (const axis of [0, 1, 2] as const) {
    const across = right[axis] - tilt * forward[axis];
    const along = down[axis] - lean * forward[axis];
    largest = Math.max(largest, voxel[axis] * Math.hypot(across, along));
  }
  return largest * zoom * away;
}

/** Where a relative point is on the canvas, in device pixels; null where it is not before the eye. */
export function project(sight: VolumeSight, point: Triple): Pair | null {
  const [right, down, forward] = sight.axes;
  let scale = sight.zoom;
  if (Number.isFinite(sight.distance)) {
    const depth = sight.distance + dot(point, forward);
    if (depth < NEAR * sight.distance) return null;
    scale *= sight.distance / depth;
  }
  return [
    sight.size[0] / 2 + dot(point, right) * scale,
    sight.size[1] / 2 + dot(point, down) * scale,
  ];
}

/** A line of sight, in the world relative to the centre. */
export type Ray = {
  readonly origin: Triple;
  /** Of length 1. */
  readonly direction: Triple;
  /** How far from the origin it begins. */
  readonly begin: number;
};

/** The line of sight through a place on the canvas: [x, y] in device pixels from the upper left. */
export function rayAt(sight: VolumeSight, at: Pair): Ray {
  const [right, down, forward] = sight.axes;
  const aside = at[0] - sight.size[0] / 2;
  const along = at[1] - sight.size[1] / 2;
  const plane = combine(combine([0, 0, 0], aside / sight.zoom, right), along / sight.zoom, down);
  if (!Number.isFinite(sight.distance)) {
    return { origin: plane, direction: forward, begin: Number.NEGATIVE_INFINITY };
  }
  const origin = combine([0, 0, 0], -sight.distance, forward);
  const way = combine(plane, sight.distance, forward);
  const length = Math.hypot(...way);
  const direction: Triple = [way[0] / length, way[1] / length, way[2] / length];
  return { origin, direction, begin: NEAR * length };
}

/** Where a ray enters and leaves a relative box, in lengths from its origin; null: it does not. */
export function crossing(ray: Ray, low: Triple, high: Triple): Pair | null {
  let [enters, leaves] = [ray.begin, Number.POSITIVE_INFINITY];
  for (const axis of [0, 1, 2] as const) {
    const [from, speed] = [ray.origin[axis], ray.direction[axis]];
    if (speed === 0) {
      if (from < low[axis] || from >= high[axis]) return null;
      continue;
    }
    const ends = [(low[axis] - from) / speed, (high[axis] - from) / speed];
    enters = Math.max(enters, Math.min(...ends));
    leaves = Math.min(leaves, Math.max(...ends));
  }
  return enters < leaves ? [enters, leaves] : null;
}
