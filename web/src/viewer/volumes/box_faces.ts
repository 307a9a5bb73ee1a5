/** The faces of boxes in a volume that one sees, as polygons on the canvas. Pure. */

import type { Box, Pair, Triple } from "../types.ts";
import { combine, dot, NEAR, project, type VolumeSight } from "./volume_camera.ts";

/** A convex polygon: device pixels, from corner to corner. */
export type Polygon = readonly Pair[];

/**
 * Of a box relative to the camera's centre: the faces that are turned towards the eye, which do not cover each other;
 * from inside those behind.
 */
export function boxFaces(sight: VolumeSight, [low, high]: Box): readonly Polygon[] {
  const forward = sight.axes[2];
  const flat = !Number.isFinite(sight.distance);
  const eye = combine([0, 0, 0], flat ? 0 : -sight.distance, forward);
  const faces: { readonly corners: readonly Triple[]; readonly isFront: boolean }[] = [];
  for (const axis of [0, 1, 2] as const) {
    for (const end of [0, 1] as const) {
      const at = (end ? high : low)[axis];
      const sign = end ? 1 : -1;
      const towards = flat ? -forward[axis] * sign : (eye[axis] - at) * sign;
      faces.push({ corners: cornersOf(low, high, axis, at), isFront: towards > 0 });
    }
  }
  const front = faces.filter(({ isFront }) => isFront);
  return (front.length > 0 ? front : faces)
    .map(({ corners }) => beforeEye(sight, corners).map((corner) => project(sight, corner)))
    .map((polygon) => polygon.filter((corner) => corner !== null))
    .filter((polygon) => polygon.length > 2);
}

function cornersOf(low: Triple, high: Triple, axis: 0 | 1 | 2, at: number): readonly Triple[] {
  const [first, second] = ([0, 1, 2] as const).filter((one) => one !== axis);
  return [
    [low, low],
    [high, low],
    [high, high],
    [low, high],
  ].map(([one, other]) => {
    const corner: [number, number, number] = [at, at, at];
    if (first !== undefined) corner[first] = one?.[first] ?? 0;
    if (second !== undefined) corner[second] = other?.[second] ?? 0;
    return corner;
  });
}

/** What of a polygon is not behind the near plane. */
function beforeEye(sight: VolumeSight, corners: readonly Triple[]): readonly Triple[] {
  if (!Number.isFinite(sight.distance)) return corners;
  // A little before it, so that rounding does not matter.
  const near = sight.distance * NEAR * 1.001;
  const depths = corners.map((corner) => sight.distance + dot(corner, sight.axes[2]) - near);
  return corners.flatMap((corner, i) => {
    const next = (i + 1) % corners.length;
    const [own, other] = [depths[i] ?? 0, depths[next] ?? 0];
    const kept = own >= 0 ? [corner] : [];
    if (own >= 0 === other >= 0) return kept;
    const share = own / (own - other);
    const to = corners[next] ?? corner;
    return [...kept, combine(combine(corner, -share, corner), share, to)];
  });
}
