/** Bricks on their way into textures, and out again: upload, eviction, acknowledgement. */

import type { BrickKey } from "./brick_key.ts";
import { BRICK, planeOf } from "./geometry.ts";
import { type BrickTexture, brickBytes, createBrickTexture } from "./gl/brick_texture.ts";
import type { Brick } from "./server_messages.ts";
import { type Slot, SlotTable } from "./slots.ts";
import type { Camera, Layer } from "./types.ts";

/** What a frame may spend on uploads; at least one brick is taken. */
const UPLOAD_MS = 6;
const UPLOAD_BYTES = 8 << 20;

export type TakenBytes = { readonly bytes: number; readonly evicted: readonly BrickKey[] };

export class BrickStore {
  readonly slots: SlotTable<BrickTexture>;
  #queue: Brick[] = [];
  #taken = 0;
  #evicted: BrickKey[] = [];

  constructor(budget: number) {
    this.slots = new SlotTable(budget);
  }

  get isWaiting(): boolean {
    return this.#queue.length > 0;
  }

  receive(brick: Brick): void {
    this.#queue.push(brick);
  }

  /** Upload what has come, as far as a frame allows. Returns how many bricks were taken. */
  upload(
    gl: WebGL2RenderingContext,
    layers: ReadonlyMap<number, Layer>,
    displayed: Camera["displayed"],
    frame: number,
  ): number {
    const start = performance.now();
    let [count, bytes] = [0, 0];
    for (const brick of this.#queue) {
      if (count > 0 && (bytes >= UPLOAD_BYTES || performance.now() - start > UPLOAD_MS)) break;
      count += 1;
      bytes += brick.payload.length;
      const layer = layers.get(brick.key[0]);
      // A brick of a layer that has gone meanwhile, or one that cannot be: taken, but not kept.
      if (!layer || !isPossible(brick, layer, displayed)) continue;
      const [rows, columns] = brick.shape;
      const texture = createBrickTexture(gl, layer, rows, columns, brick.payload);
      const replaced = this.slots.put(brick.key, brick.payload.length, texture, frame);
      if (replaced) gl.deleteTexture(replaced.content.texture);
    }
    this.#queue.splice(0, count);
    this.#taken += bytes;
    return count;
  }

  /** Keep to the budget. Returns what had to go. */
  evict(
    gl: WebGL2RenderingContext,
    pinned: (slot: Slot<BrickTexture>) => boolean,
  ): readonly Slot<BrickTexture>[] {
    return this.#release(gl, this.slots.evict(pinned));
  }

  drop(
    gl: WebGL2RenderingContext,
    chosen: (slot: Slot<BrickTexture>) => boolean,
  ): readonly Slot<BrickTexture>[] {
    return this.#release(gl, this.slots.drop(chosen));
  }

  /** The context is gone, and all textures with it. What waits for upload, unacknowledged, stays good. */
  lose(): void {
    this.slots.drop(() => true);
  }

  /** A new session, in which nothing was sent yet. */
  forgetSession(): void {
    this.slots.forgetSession();
    this.#queue = [];
    this.#taken = 0;
    this.#evicted = [];
  }

  /** What to acknowledge now; null: nothing. */
  takeReport(): TakenBytes | null {
    if (this.#taken === 0 && this.#evicted.length === 0) return null;
    const report = { bytes: this.#taken, evicted: this.#evicted };
    this.#taken = 0;
    this.#evicted = [];
    return report;
  }

  #release(
    gl: WebGL2RenderingContext,
    released: readonly Slot<BrickTexture>[],
  ): readonly Slot<BrickTexture>[] {
    for (const slot of released) {
      gl.deleteTexture(slot.content.texture);
      if (slot.known) this.#evicted.push(slot.key);
    }
    return released;
  }
}

/** Whether such a brick exists: a wrong size would be drawn in the wrong place. */
function isPossible(brick: Brick, layer: Layer, displayed: Camera["displayed"]): boolean {
  const [, level, slice, row, column] = brick.key;
  const plane = planeOf(layer, level, displayed);
  if (!plane || slice.length !== layer.axes.length - 2) return false;
  const [rows, columns] = brick.shape;
  return (
    rows === Math.min(plane.shape[0] - row * BRICK, BRICK) &&
    columns === Math.min(plane.shape[1] - column * BRICK, BRICK) &&
    brick.payload.length === brickBytes(layer, rows, columns)
  );
}
