/** Cells of points that the canvas holds: they come piece by piece, and go as a whole. Pure. */

import type { PointsKey } from "../stream/brick_key.ts";
import type { PointsPart, Sample } from "../stream/server_messages.ts";
import type { Layer } from "../types.ts";

const BYTES = 8;

export type HeldCell = {
  readonly key: PointsKey;
  readonly count: number;
  /** World positions along the layer's axes: point by point. */
  readonly positions: Float64Array;
  /** The box that these lie in. */
  readonly low: readonly number[];
  readonly high: readonly number[];
  /** Values of properties, by name. */
  readonly values: ReadonlyMap<string, Float64Array>;
  readonly provenance: string;
  /** The frame that drew it last, or in which it came. */
  drawn: number;
  /** Whether this server session knows that it is held, with the properties that are drawn now. */
  known: boolean;
};

export class PointsStore {
  bytes = 0;
  /** Rises when points come or go. */
  revision = 0;
  readonly #held = new Map<string, HeldCell>();
  readonly #failed = new Set<string>();
  /** By layer, the first generation with the properties that are drawn now. */
  readonly #since = new Map<number, number>();

  get count(): number {
    return this.#held.size;
  }

  get(key: PointsKey): HeldCell | null {
    return this.#held.get(cellName(key)) ?? null;
  }

  /** Take some points; those that cannot be, or that come after points which are not held, are not kept. */
  put(layer: Layer, part: PointsPart, frame: number): void {
    const { key, first, count, properties, payload, provenance } = part;
    const numbers = layer.axes.length + properties.length;
    if (part.generation < (this.#since.get(layer.id) ?? 0)) return;
    if (layer.kind !== "points" || payload.length !== count * numbers * BYTES) return;
    const held = this.get(key);
    const before = first === 0 ? null : held;
    if (first > 0 && !(before?.known && before.count >= first)) return;
    const read = columnsOf(payload);
    const axes = layer.axes.length;
    const positions = joined(before?.positions, first * axes, read(count * axes));
    const values = new Map<string, Float64Array>();
    for (const name of properties) {
      const more = read(count);
      const some = before?.values.get(name);
      if (before && !some) return;
      values.set(name, joined(some, first, more));
    }
    if (held) this.#remove(held);
    const [low, high] = boxOf(positions, axes);
    const cell = { key, count: first + count, positions, low, high, values, provenance };
    this.#held.set(cellName(key), { ...cell, drawn: frame, known: true });
    this.#failed.delete(cellName(key));
    this.bytes += bytesOf(cell);
    this.revision += 1;
  }

  fail(key: PointsKey): void {
    this.#failed.add(cellName(key));
    this.revision += 1;
  }

  forgetFailures(): void {
    this.#failed.clear();
  }

  /** Whether most of what a sample wants is here, or will never be. */
  hasMost(sample: Sample): boolean {
    let [here, all] = [0, 0];
    for (const { key, count } of sample.cells) {
      if (this.#failed.has(cellName(key))) continue;
      here += Math.min(this.get(key)?.count ?? 0, count);
      all += count;
    }
    return 2 * here >= all;
  }

  /** Free room by what was drawn longest ago; what `pinned` names stays. Returns what nobody must send again. */
  evict(pinned: (cell: HeldCell) => boolean, budget: number): readonly PointsKey[] {
    if (this.bytes <= budget) return [];
    const candidates = [...this.#held.values()].filter((cell) => !pinned(cell));
    candidates.sort((a, b) => a.drawn - b.drawn);
    const gone: PointsKey[] = [];
    for (const cell of candidates) {
      if (this.bytes <= budget) break;
      this.#remove(cell);
      if (cell.known) gone.push(cell.key);
    }
    return gone;
  }

  /** Let go of all cells that `chosen` names; those of them that the server knows of. */
  drop(chosen: (cell: HeldCell) => boolean): readonly PointsKey[] {
    const dropped = [...this.#held.values()].filter(chosen);
    for (const cell of dropped) this.#remove(cell);
    return dropped.filter((cell) => cell.known).map((cell) => cell.key);
  }

  /** From this generation on, points of a layer have other properties. Both sides know that none is held. */
  turn(layer: number, generation: number): void {
    this.#since.set(layer, generation);
    for (const cell of this.#held.values()) if (cell.key[0] === layer) cell.known = false;
  }

  /** A new server session: what is held goes on being drawn, but nobody knows of it. */
  forgetSession(): void {
    for (const cell of this.#held.values()) cell.known = false;
    this.#failed.clear();
  }

  #remove(cell: HeldCell): void {
    if (!this.#held.delete(cellName(cell.key))) return;
    this.bytes -= bytesOf(cell);
    this.revision += 1;
  }
}

export function cellName(key: PointsKey): string {
  return `${key[0]}/${key[1]}/${key[2].join()}`;
}

function bytesOf(cell: Pick<HeldCell, "positions" | "values">): number {
  let numbers = cell.positions.length;
  for (const column of cell.values.values()) numbers += column.length;
  return numbers * BYTES;
}

function boxOf(positions: Float64Array, axes: number): readonly [number[], number[]] {
  const low = new Array<number>(axes).fill(Number.POSITIVE_INFINITY);
  const high = new Array<number>(axes).fill(Number.NEGATIVE_INFINITY);
  for (let i = 0; i < positions.length; i++) {
    const [axis, at] = [i % axes, positions[i] as number];
    if (at < (low[axis] as number)) low[axis] = at;
    if (at > (high[axis] as number)) high[axis] = at;
  }
  return [low, high];
}

/** Reads one column after another. */
function columnsOf(payload: Uint8Array): (length: number) => Float64Array {
  // A view that is not aligned, which no socket makes, cannot be read as it is.
  const { buffer, byteOffset } = payload.byteOffset % BYTES === 0 ? payload : payload.slice();
  let at = byteOffset;
  return (length) => {
    const column = new Float64Array(buffer, at, length);
    at += length * BYTES;
    return column;
  };
}

function joined(
  before: Float64Array | undefined,
  length: number,
  more: Float64Array,
): Float64Array {
  const whole = new Float64Array(length + more.length);
  if (before) whole.set(before.subarray(0, length));
  whole.set(more, length);
  return whole;
}
