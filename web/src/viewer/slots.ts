/**
 * The slot table: what the canvas holds and what it has heard to have failed. Pure.
 *
 * Bricks live in sparse maps, plane by plane; nothing here grows with the size of an image.
 */

import {
  type BrickKey,
  brickNumber,
  keyNumber,
  planeName,
  type Slice,
} from "./stream/brick_key.ts";

export type Slot<Content> = {
  readonly key: BrickKey;
  readonly bytes: number;
  readonly content: Content;
  /** Where it came from. */
  readonly provenance: string;
  /** The frame that drew it last, or in which it came. */
  drawn: number;
  /** Whether this server session knows that it is held: not after a new connection. */
  known: boolean;
};

type Planes<Value> = Map<string, Map<number, Value>>;
export type FailedBrick = { readonly key: BrickKey; readonly reason: string };

export class SlotTable<Content> {
  bytes = 0;
  count = 0;
  /** Bytes, at most. */
  budget: number;
  readonly #held: Planes<Slot<Content>> = new Map();
  readonly #failed: Planes<FailedBrick> = new Map();

  constructor(budget: number) {
    this.budget = budget;
  }

  /** Hold a brick. Returns the slot that it replaces, whose content the caller frees. */
  put(
    key: BrickKey,
    bytes: number,
    content: Content,
    frame: number,
    provenance = "memory",
  ): Slot<Content> | null {
    const replaced = this.get(key);
    if (replaced) this.#remove(replaced);
    insert(this.#held, key, { key, bytes, content, provenance, drawn: frame, known: true });
    this.bytes += bytes;
    this.count += 1;
    remove(this.#failed, key);
    return replaced;
  }

  get(key: BrickKey): Slot<Content> | null {
    return this.numbered(planeName(key[0], key[1], key[2]), keyNumber(key));
  }

  at(plane: string, row: number, column: number): Slot<Content> | null {
    return this.numbered(plane, brickNumber(row, column));
  }

  /** By the number of a brick within its plane, as `keyNumber` gives it. */
  numbered(plane: string, number: number): Slot<Content> | null {
    return this.#held.get(plane)?.get(number) ?? null;
  }

  inPlane(layer: number, level: number, slice: Slice): Iterable<Slot<Content>> {
    return this.#held.get(planeName(layer, level, slice))?.values() ?? [];
  }

  countInPlane(layer: number, level: number, slice: Slice): number {
    return this.#held.get(planeName(layer, level, slice))?.size ?? 0;
  }

  /** Free room by what was drawn longest ago; what `pinned` names stays, even beyond the budget. */
  evict(pinned: (slot: Slot<Content>) => boolean, budget: number = this.budget): Slot<Content>[] {
    if (this.bytes <= budget) return [];
    const candidates = [...this.#all()].filter((slot) => !pinned(slot));
    candidates.sort((a, b) => a.drawn - b.drawn);
    const evicted: Slot<Content>[] = [];
    for (const slot of candidates) {
      if (this.bytes <= budget) break;
      this.#remove(slot);
      evicted.push(slot);
    }
    return evicted;
  }

  /** Let go of all slots that `chosen` names. */
  drop(chosen: (slot: Slot<Content>) => boolean): Slot<Content>[] {
    const dropped = [...this.#all()].filter(chosen);
    for (const slot of dropped) this.#remove(slot);
    return dropped;
  }

  /** A new server session: what is held goes on being drawn, but nobody knows of it. */
  forgetSession(): void {
    for (const slot of this.#all()) slot.known = false;
    this.#failed.clear();
  }

  fail(key: BrickKey, reason: string): void {
    insert(this.#failed, key, { key, reason });
  }

  hasFailed(plane: string, row: number, column: number): boolean {
    return this.#failed.get(plane)?.has(brickNumber(row, column)) ?? false;
  }

  /** Whether a brick of this number within its plane has failed. */
  hasFailedNumbered(plane: string, number: number): boolean {
    return this.#failed.get(plane)?.has(number) ?? false;
  }

  failedInPlane(layer: number, level: number, slice: Slice): Iterable<FailedBrick> {
    return this.#failed.get(planeName(layer, level, slice))?.values() ?? [];
  }

  forgetFailures(): void {
    this.#failed.clear();
  }

  *#all(): Iterable<Slot<Content>> {
    for (const plane of this.#held.values()) yield* plane.values();
  }

  #remove(slot: Slot<Content>): void {
    if (!remove(this.#held, slot.key)) return;
    this.bytes -= slot.bytes;
    this.count -= 1;
  }
}

function insert<Value>(planes: Planes<Value>, key: BrickKey, value: Value): void {
  const name = planeName(key[0], key[1], key[2]);
  const plane = planes.get(name) ?? new Map<number, Value>();
  plane.set(keyNumber(key), value);
  planes.set(name, plane);
}

function remove<Value>(planes: Planes<Value>, key: BrickKey): boolean {
  const name = planeName(key[0], key[1], key[2]);
  const plane = planes.get(name);
  const removed = plane?.delete(keyNumber(key)) ?? false;
  if (plane?.size === 0) planes.delete(name);
  return removed;
}
