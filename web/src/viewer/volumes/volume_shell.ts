/**
 * The outermost voxels of a brick of a volume, and from them its neighbours' aprons. Pure.
 *
 * Between the last voxel of a brick and the first of the next, values are linear as anywhere else. So each brick
 * is kept with an *apron*: one voxel more on each of its 26 sides, out of the neighbour there, or, until that is
 * held, out of the coarser brick that is drawn in its place, or its own last voxels once more.
 */

import type { Triple } from "../types.ts";
import { each } from "./octree.ts";

export type Values =
  | Uint8Array
  | Int8Array
  | Uint16Array
  | Int16Array
  | Uint32Array
  | Int32Array
  | Float32Array;

/** The 26 ways out of a brick. */
export const SIDES: readonly Triple[] = [-1, 0, 1].flatMap((z) =>
  [-1, 0, 1].flatMap((y) =>
    [-1, 0, 1].flatMap((x): Triple[] => (z === 0 && y === 0 && x === 0 ? [] : [[z, y, x]])),
  ),
);

/** Puts the components of a voxel into `out`, from `start` on. */
export type Read = (z: number, y: number, x: number, out: Values, start: number) => void;

export class Shell {
  readonly shape: Triple;
  /** Numbers per voxel. */
  readonly components: number;
  /** Whether all voxels are equal. */
  readonly uniform: boolean;
  /** One voxel, if all are equal; else the first and the last plane along z, y, x. */
  readonly #faces: readonly Values[];

  /** `values` has all voxels, or one for all. */
  constructor(values: Values, shape: Triple, components: number) {
    this.shape = shape;
    this.components = components;
    this.uniform = values.length === components;
    this.#faces = this.uniform ? [values.slice()] : facesOf(values, shape, components);
  }

  get bytes(): number {
    return this.#faces.reduce((sum, face) => sum + face.byteLength, 0);
  }

  /** A new array of so many voxels, of the same type. */
  empty(voxels: number): Values {
    const face = this.#faces[0] ?? new Uint8Array(0);
    const Kind = face.constructor as new (length: number) => Values;
    return new Kind(voxels * this.components);
  }

  /** A voxel of the brick; one that is not on its outside gives the nearest to its first plane. */
  readonly read: Read = (z, y, x, out, start) => {
    const [face, index] = this.#locate(z, y, x);
    const values = this.#faces[face];
    if (!values) return;
    for (let c = 0; c < this.components; c++) out[start + c] = values[index + c] ?? 0;
  };

  /** The first (end 0) or last (end 1) plane along an axis; null of a uniform brick. */
  face(axis: 0 | 1 | 2, end: 0 | 1): Values | null {
    return this.uniform ? null : (this.#faces[2 * axis + end] ?? null);
  }

  #locate(z: number, y: number, x: number): readonly [face: number, index: number] {
    if (this.uniform) return [0, 0];
    const [depth, rows, columns] = this.shape;
    if (z <= 0) return [0, (y * columns + x) * this.components];
    if (z >= depth - 1) return [1, (y * columns + x) * this.components];
    if (y <= 0) return [2, (z * columns + x) * this.components];
    if (y >= rows - 1) return [3, (z * columns + x) * this.components];
    return [x >= columns - 1 ? 5 : 4, (z * rows + y) * this.components];
  }
}

function facesOf(values: Values, shape: Triple, components: number): readonly Values[] {
  const [depth, rows, columns] = shape;
  const row = columns * components;
  const plane = rows * row;
  const faces: Values[] = [values.slice(0, plane), values.slice((depth - 1) * plane)];
  for (const y of [0, rows - 1]) {
    const face = values.slice(0, depth * row);
    for (let z = 0; z < depth; z++) {
      const start = z * plane + y * row;
      face.set(values.subarray(start, start + row), z * row);
    }
    faces.push(face);
  }
  for (const x of [0, columns - 1]) {
    const face = values.slice(0, depth * rows * components);
    for (let z = 0; z < depth; z++) {
      for (let y = 0; y < rows; y++) {
        const start = z * plane + y * row + x * components;
        const to = (z * rows + y) * components;
        for (let c = 0; c < components; c++) face[to + c] = values[start + c] ?? 0;
      }
    }
    faces.push(face);
  }
  return faces;
}

/** First voxel, in the brick's own count, and extent of a piece of the apron. */
export function pieceBox(
  shape: Triple,
  side: Triple,
): { readonly start: Triple; readonly size: Triple } {
  return {
    start: each((i) => (side[i] < 0 ? -1 : side[i] > 0 ? shape[i] : 0)),
    size: each((i) => (side[i] === 0 ? shape[i] : 1)),
  };
}

/** The voxels of a piece, from what `read` says of each place in the brick's own count. */
function filled(own: Shell, side: Triple, read: Read): Values {
  const { start, size } = pieceBox(own.shape, side);
  const out = own.empty(size[0] * size[1] * size[2]);
  let to = 0;
  for (let z = start[0]; z < start[0] + size[0]; z++) {
    for (let y = start[1]; y < start[1] + size[1]; y++) {
      for (let x = start[2]; x < start[2] + size[2]; x++) {
        read(z, y, x, out, to);
        to += own.components;
      }
    }
  }
  return out;
}

/** The axis of a side that is a whole plane, else null. */
function planeAxis(side: Triple): 0 | 1 | 2 | null {
  const axes = ([0, 1, 2] as const).filter((axis) => side[axis] !== 0);
  return axes.length === 1 ? (axes[0] ?? null) : null;
}

/** A piece of the apron that has the brick's own last voxels once more. */
export function repeated(own: Shell, side: Triple): Values {
  const axis = planeAxis(side);
  const face = axis === null ? null : own.face(axis, side[axis] < 0 ? 0 : 1);
  if (face) return face;
  const [depth, rows, columns] = own.shape;
  const inside = (at: number, count: number) => Math.min(Math.max(at, 0), count - 1);
  return filled(own, side, (z, y, x, out, start) =>
    own.read(inside(z, depth), inside(y, rows), inside(x, columns), out, start),
  );
}

/** A piece out of the neighbour of the same level at that side. */
export function neighbouring(own: Shell, other: Shell, side: Triple): Values {
  const axis = planeAxis(side);
  const face = axis === null ? null : other.face(axis, side[axis] < 0 ? 1 : 0);
  if (face) return face;
  const move = each((i) => (side[i] < 0 ? other.shape[i] : side[i] > 0 ? -own.shape[i] : 0));
  return filled(own, side, (z, y, x, out, start) =>
    other.read(z + move[0], y + move[1], x + move[2], out, start),
  );
}

/** Between which two planes of a brick places lie, and how far from the first: along one axis. */
type Between = { readonly first: number; readonly second: number; readonly weight: number };

/**
 * A piece out of a coarser brick: place p of the brick is place `offset + ratio · p` of the other.
 *
 * It is read on the outside of the other, which faces the brick; labels: at the nearest voxel.
 */
export function coarser(
  own: Shell,
  other: Shell,
  side: Triple,
  offset: Triple,
  ratio: Triple,
  nearest: boolean,
): Values {
  const { start, size } = pieceBox(own.shape, side);
  const place = (axis: 0 | 1 | 2, at: number): number => {
    const last = other.shape[axis] - 1;
    const inside = Math.min(Math.max(offset[axis] + ratio[axis] * at, 0), last);
    return nearest ? Math.round(inside) : inside;
  };
  // The outside that is nearest: along the axes of the side there is one place only.
  const away = ([0, 1, 2] as const)
    .filter((axis) => side[axis] !== 0)
    .map((axis) => {
      const at = place(axis, start[axis]);
      const end: 0 | 1 = at * 2 > other.shape[axis] - 1 ? 1 : 0;
      return { axis, end, away: end ? other.shape[axis] - 1 - at : at };
    })
    .sort((a, b) => a.away - b.away);
  const { axis, end } = away[0] ?? { axis: 0, end: 0 };
  const face = other.face(axis, end);
  const { components } = own;
  const out = own.empty(size[0] * size[1] * size[2]);
  if (!face) {
    other.read(0, 0, 0, out, 0);
    for (let i = components; i < out.length; i++) out[i] = out[i - components] ?? 0;
    return out;
  }
  const spans = ([0, 1, 2] as const).map((one): Between[] =>
    Array.from({ length: size[one] }, (_, i) => {
      if (one === axis) return { first: 0, second: 0, weight: 0 };
      const at = place(one, start[one] + i);
      const first = Math.floor(at);
      return { first, second: Math.min(first + 1, other.shape[one] - 1), weight: at - first };
    }),
  );
  const [rows, columns] = ([0, 1, 2] as const).filter((one) => one !== axis);
  if (rows === undefined || columns === undefined) return out;
  const stride = other.shape[columns];
  const whole = !(out instanceof Float32Array);
  let to = 0;
  for (const z of spans[0] ?? []) {
    for (const y of spans[1] ?? []) {
      for (const x of spans[2] ?? []) {
        const u = rows === 0 ? z : y;
        const v = columns === 1 ? y : x;
        for (let c = 0; c < components; c++) {
          const at = (row: number, column: number) =>
            face[(row * stride + column) * components + c] ?? 0;
          const a = between(at(u.first, v.first), at(u.first, v.second), v.weight);
          const b = between(at(u.second, v.first), at(u.second, v.second), v.weight);
          const value = between(a, b, u.weight);
          out[to++] = whole ? Math.round(value) : value;
        }
      }
    }
  }
  return out;
}

/** What has no weight does not count, even if it is NaN. */
function between(a: number, b: number, weight: number): number {
  return weight === 0 ? a : a + (b - a) * weight;
}
