/** Bricks on their way into textures, and out again: upload, eviction, acknowledgement. */

import { planeOf } from "./geometry.ts";
import { type BrickTexture, brickBytes, createBrickTexture } from "./gl/brick_texture.ts";
import type { VolumeTexture } from "./gl/volume_texture.ts";
import { type HeldCell, PointsStore } from "./points/points_store.ts";
import { type Slot, SlotTable } from "./slots.ts";
import {
  isPointsKey,
  isVolumeKey,
  type SliceKey,
  type VolumeKey,
  type WireKey,
} from "./stream/brick_key.ts";
import type { Brick, PointsPart } from "./stream/server_messages.ts";
import type { Camera, Layer, VolumeView } from "./types.ts";
import { VolumeStore } from "./volumes/volume_store.ts";

/** What a frame may spend on uploads; at least one brick is taken. */
const UPLOAD_MS = 6;
const UPLOAD_BYTES = 8 << 20;

/** The axes that bricks are of. */
export type Displayed = {
  readonly slice: Camera["displayed"];
  readonly volume: VolumeView["displayed"];
};

export type TakenBytes = { readonly bytes: number; readonly evicted: readonly WireKey[] };

export class BrickStore {
  readonly slots: SlotTable<BrickTexture>;
  /** Slots of both kinds share the budget, also with points. */
  readonly volumes: VolumeStore;
  readonly points = new PointsStore();
  #queue: (Brick | PointsPart)[] = [];
  #taken = 0;
  #evicted: WireKey[] = [];
  /** The first generation whose slices are along the axes that are displayed now. */
  #since = 0;

  constructor(budget: number) {
    this.slots = new SlotTable(budget);
    this.volumes = new VolumeStore(budget);
  }

  /** Hold so many bytes at most, from the next frame on. */
  setBudget(budget: number): void {
    this.slots.budget = budget;
    this.volumes.slots.budget = budget;
  }

  get bytes(): number {
    return this.slots.bytes + this.volumes.slots.bytes + this.points.bytes;
  }

  get count(): number {
    return this.slots.count + this.volumes.slots.count + this.points.count;
  }

  get isWaiting(): boolean {
    return this.#queue.length > 0;
  }

  receive(brick: Brick | PointsPart): void {
    this.#queue.push(brick);
  }

  /** Upload what has come, as far as a frame allows. Returns how many bricks were taken. */
  upload(
    gl: WebGL2RenderingContext,
    layers: ReadonlyMap<number, Layer>,
    displayed: Displayed,
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
      if (!layer) continue;
      if (brick.type === "points") {
        this.points.put(layer, brick, frame);
        continue;
      }
      if (isOfVolume(brick)) {
        this.volumes.put(gl, layer, displayed.volume, brick, frame);
        continue;
      }
      const [rows = 0, columns = 0] = brick.shape;
      if (brick.generation < this.#since || !isPossible(brick, layer, displayed.slice)) continue;
      const texture = createBrickTexture(gl, layer, rows, columns, brick.payload);
      const { key, payload, provenance } = brick;
      const replaced = this.slots.put(key, payload.length, texture, frame, provenance);
      if (replaced) gl.deleteTexture(replaced.content.texture);
    }
    this.#queue.splice(0, count);
    this.#taken += bytes;
    return count;
  }

  /**
   * Keep to the budget: first without what is of the kind that is not shown. Returns what had to go of what is.
   */
  evict(
    gl: WebGL2RenderingContext,
    pinned: (slot: Slot<unknown>) => boolean,
    volume: boolean,
    pinnedCell: (cell: HeldCell) => boolean,
  ): readonly Slot<unknown>[] {
    const others = this.bytes - this.points.bytes;
    const left = Math.max(this.slots.budget - others, 0);
    this.#evicted.push(...this.points.evict(pinnedCell, left));
    const budget = this.slots.budget - this.points.bytes;
    if (volume) {
      const room = Math.max(budget - this.volumes.slots.bytes, 0);
      this.#release(
        gl,
        this.slots.evict(() => false, room),
      );
      return this.#releaseVolumes(gl, this.volumes.slots.evict(pinned, budget - this.slots.bytes));
    }
    const room = Math.max(budget - this.slots.bytes, 0);
    this.#releaseVolumes(
      gl,
      this.volumes.slots.evict(() => false, room),
    );
    return this.#release(gl, this.slots.evict(pinned, budget - this.volumes.slots.bytes));
  }

  drop(
    gl: WebGL2RenderingContext,
    chosen: (slot: Slot<unknown>) => boolean,
  ): readonly Slot<unknown>[] {
    return [
      ...this.#release(gl, this.slots.drop(chosen)),
      ...this.#releaseVolumes(gl, this.volumes.slots.drop(chosen)),
    ];
  }

  /** Let go of points, like `drop`. */
  dropPoints(chosen: (cell: HeldCell) => boolean): void {
    this.#evicted.push(...this.points.drop(chosen));
  }

  fail(key: WireKey, reason: string): void {
    if (isPointsKey(key)) this.points.fail(key);
    else if (isVolumeKey(key)) this.volumes.slots.fail(key, reason);
    else this.slots.fail(key, reason);
  }

  forgetFailures(): void {
    this.slots.forgetFailures();
    this.volumes.slots.forgetFailures();
    this.points.forgetFailures();
  }

  /** The context is gone, and all textures with it; points are in none. What waits for upload, unacknowledged, stays good. */
  lose(): void {
    this.slots.drop(() => true);
    this.volumes.slots.drop(() => true);
    this.volumes.changed();
  }

  /** From this generation on, slices are along other axes. Both sides know that none is held. */
  turn(gl: WebGL2RenderingContext, generation: number): void {
    this.#since = generation;
    for (const slot of this.slots.drop(() => true)) gl.deleteTexture(slot.content.texture);
    this.slots.forgetFailures();
    this.#evicted = this.#evicted.filter((key) => isPointsKey(key) || isVolumeKey(key));
  }

  /** A new session, in which nothing was sent yet. */
  forgetSession(): void {
    this.slots.forgetSession();
    this.volumes.slots.forgetSession();
    this.points.forgetSession();
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

  #releaseVolumes(
    gl: WebGL2RenderingContext,
    released: readonly Slot<VolumeTexture>[],
  ): readonly Slot<VolumeTexture>[] {
    for (const slot of released) {
      slot.content.delete(gl);
      if (slot.known) this.#evicted.push(slot.key);
    }
    if (released.length > 0) this.volumes.changed();
    return released;
  }
}

function isOfVolume(brick: Brick): brick is Brick & { readonly key: VolumeKey } {
  return isVolumeKey(brick.key);
}

/** Whether such a brick exists: a wrong size would be drawn in the wrong place. */
function isPossible(brick: Brick, layer: Layer, displayed: Camera["displayed"]): boolean {
  const [, level, slice, row, column] = brick.key as SliceKey;
  const plane = planeOf(layer, level, displayed);
  if (!plane || slice.length !== layer.axes.length - 2) return false;
  const [rows = 0, columns = 0] = brick.shape;
  return (
    rows === Math.min(plane.shape[0] - row * plane.brick, plane.brick) &&
    columns === Math.min(plane.shape[1] - column * plane.brick, plane.brick) &&
    brick.payload.length === brickBytes(layer, rows, columns)
  );
}
