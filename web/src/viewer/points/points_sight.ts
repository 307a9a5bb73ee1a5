/** Which points a camera sees, and where on the canvas. Pure; the same as in Python's `opsin.chunks.sight`. */

import type { Camera, Pair, Triple, VolumeView } from "../types.ts";
import { dot, NEAR, type VolumeSight } from "../volumes/volume_camera.ts";

/** Where points that are seen lie: x and y in device pixels, and how far away as a world length. */
export type Places = {
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly depth: Float64Array;
};

export type PointsSight = {
  readonly displayed: readonly string[];
  /** How many device pixels a world length is at a depth. */
  scale(depth: number): number;
  /**
   * Where one of a row of positions is on the canvas, written to place `to`; false: it is not seen.
   * `axes` says where in a position the displayed axes are.
   */
  see(
    positions: Float64Array,
    start: number,
    axes: readonly number[],
    reach: number,
    places: Places,
    to: number,
  ): boolean;
};

export function sliceSight(
  { center, zoom, displayed }: Pick<Camera, "center" | "zoom" | "displayed">,
  size: Pair,
): PointsSight {
  const [cy, cx] = center;
  const [right, bottom] = [size[0] / 2, size[1] / 2];
  const [width, height] = [right / zoom, bottom / zoom];
  return {
    displayed,
    scale: () => zoom,
    see(positions, start, axes, reach, places, to) {
      const y = (positions[start + (axes[0] as number)] as number) - cy;
      const x = (positions[start + (axes[1] as number)] as number) - cx;
      if (!(Math.abs(y) <= height + reach && Math.abs(x) <= width + reach)) return false;
      places.x[to] = x * zoom + right;
      places.y[to] = y * zoom + bottom;
      return true;
    },
  };
}

export function pointsSightOf(volume: VolumeView, sight: VolumeSight): PointsSight {
  const { center, zoom, size, axes: camera, distance } = sight;
  const [[rz, ry, rx], [dz, dy, dx], [fz, fy, fx]] = camera;
  const [cz, cy, cx] = center;
  const planes = [...planesOf(sight), ...clippingPlanes(volume, center)];
  // In one row, since this is asked of every point.
  const numbers = Float64Array.from(
    planes.flatMap(({ normal, offset, isSide }) => [...normal, offset, isSide ? 1 : 0]),
  );
  const deep = Number.isFinite(distance);
  const nearest = NEAR * distance;
  const scale = (depth: number) =>
    deep ? (zoom * distance) / Math.max(distance + depth, nearest) : zoom;
  return {
    displayed: volume.displayed,
    scale,
    see(positions, start, axes, reach, places, to) {
      const z = (positions[start + (axes[0] as number)] as number) - cz;
      const y = (positions[start + (axes[1] as number)] as number) - cy;
      const x = (positions[start + (axes[2] as number)] as number) - cx;
      for (let at = 0; at < numbers.length; at += 5) {
        const beyond =
          (numbers[at] as number) * z +
          (numbers[at + 1] as number) * y +
          (numbers[at + 2] as number) * x +
          (numbers[at + 3] as number) +
          (numbers[at + 4] as number) * reach;
        if (!(beyond >= 0)) return false;
      }
      const depth = fz * z + fy * y + fx * x;
      const factor = scale(depth);
      places.x[to] = (rz * z + ry * y + rx * x) * factor + size[0] / 2;
      places.y[to] = (dz * z + dy * y + dx * x) * factor + size[1] / 2;
      places.depth[to] = depth;
      return true;
    },
  };
}

type Plane = { readonly normal: Triple; readonly offset: number; readonly isSide: boolean };

/** What the canvas shows: relative points p with `normal · p + offset >= 0` for each of them. */
function planesOf({ zoom, size, axes, distance }: VolumeSight): readonly Plane[] {
  const [right, down, forward] = axes;
  const half: Pair = [size[0] / 2 / zoom, size[1] / 2 / zoom];
  const sides = [
    [right, half[0]],
    [down, half[1]],
  ] as const;
  const both = sides.flatMap(([axis, length]) => [1, -1].map((sign) => ({ axis, length, sign })));
  if (!Number.isFinite(distance)) {
    return both.map(({ axis, length, sign }) => ({
      normal: times(sign, axis),
      offset: length,
      isSide: true,
    }));
  }
  const planes = both.map(({ axis, length, sign }): Plane => {
    const side = plus(times(distance * sign, axis), times(length, forward));
    const normal = times(1 / Math.hypot(...side), side);
    return { normal, offset: distance * dot(normal, forward), isSide: true };
  });
  const near = { normal: forward, offset: distance - NEAR * distance, isSide: false };
  return [...planes, near];
}

/** Those of the clipping box, in which the middle of a point has to be. */
function clippingPlanes({ clip }: VolumeView, center: Triple): readonly Plane[] {
  if (!clip) return [];
  const [low, high] = clip;
  return ([0, 1, 2] as const).flatMap((axis): Plane[] => {
    const normal: Triple = [+(axis === 0), +(axis === 1), +(axis === 2)];
    return [
      { normal, offset: center[axis] - low[axis], isSide: false },
      { normal: times(-1, normal), offset: high[axis] - center[axis], isSide: false },
    ];
  });
}

function times(factor: number, [a, b, c]: Triple): Triple {
  return [factor * a, factor * b, factor * c];
}

function plus(a: Triple, b: Triple): Triple {
  return [a[0] + b[0], a[1] + b[1], a[2] + b[2]];
}
