/**
 * The outermost voxels of a brick of a volume, and from them its neighbours' aprons. Pure.
 *
 * Between the last voxel of a brick and the first of the next, values are linear as anywhere else. So each brick
 * is kept with an *apron*: one voxel more on each of its 26 sides, out of the neighbour there, or, until that is
 * held, out of the coarser brick that is drawn in its place, or its own last voxels once more.
 */

import { each } from "./octree.ts";
import type { Triple } from "./types.ts";

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

  /** The same between voxels, at the nearest place of the outside; labels: the nearest voxel. */
  between(z: number, y: number, x: number, nearest: boolean, out: Values, start: number): void {
    const place = this.#outside([z, y, x], nearest);
    const low = each((i) => Math.floor(place[i]));
    const part = each((i) => place[i] - low[i]);
    for (let c = 0; c < this.components; c++) out[start + c] = 0;
    if (part[0] === 0 && part[1] === 0 && part[2] === 0) {
      this.read(low[0], low[1], low[2], out, start);
      return;
    }
    const sum = new Float64Array(this.components);
    for (let corner = 0; corner < 8; corner++) {
      const ahead = each((i) => (corner >> i) & 1);
      const weight = each((i) => (ahead[i] ? part[i] : 1 - part[i]));
      const share = weight[0] * weight[1] * weight[2];
      if (share === 0) continue;
      const at = this.#locate(low[0] + ahead[0], low[1] + ahead[1], low[2] + ahead[2]);
      const face = this.#faces[at[0]];
      for (let c = 0; c < this.components; c++) {
        sum[c] = (sum[c] ?? 0) + share * (face?.[at[1] + c] ?? 0);
      }
    }
    const whole = !(out instanceof Float32Array);
    for (let c = 0; c < this.components; c++) {
      out[start + c] = whole ? Math.round(sum[c] ?? 0) : (sum[c] ?? 0);
    }
  }

  #outside(at: Triple, nearest: boolean): Triple {
    const inside = each((i) => {
      const clamped = Math.min(Math.max(at[i], 0), this.shape[i] - 1);
      return nearest ? Math.round(clamped) : clamped;
    });
    const last = each((i) => this.shape[i] - 1);
    const away = each((i) => Math.min(inside[i], last[i] - inside[i]));
    const least = Math.min(...away);
    const axis = away.indexOf(least);
    return each((i) => (i === axis ? (inside[i] === least ? 0 : last[i]) : inside[i]));
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
export function fillPiece(own: Shell, side: Triple, read: Read): Values {
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

/** The brick's own last voxels once more. */
export function repeated(own: Shell): Read {
  const [depth, rows, columns] = own.shape;
  const inside = (at: number, count: number) => Math.min(Math.max(at, 0), count - 1);
  return (z, y, x, out, start) =>
    own.read(inside(z, depth), inside(y, rows), inside(x, columns), out, start);
}

/** The voxels of the neighbour of the same level at a side. */
export function neighbouring(own: Shell, other: Shell, side: Triple): Read {
  const move = each((i) => (side[i] < 0 ? other.shape[i] : side[i] > 0 ? -own.shape[i] : 0));
  return (z, y, x, out, start) => other.read(z + move[0], y + move[1], x + move[2], out, start);
}

/** What a coarser brick has there: place p of the brick is place `offset + ratio · p` of the other. */
export function coarser(other: Shell, offset: Triple, ratio: Triple, nearest: boolean): Read {
  return (z, y, x, out, start) =>
    other.between(
      offset[0] + ratio[0] * z,
      offset[1] + ratio[1] * y,
      offset[2] + ratio[2] * x,
      nearest,
      out,
      start,
    );
}
