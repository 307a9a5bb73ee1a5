/** A `BrickStream` that makes its bricks from a formula, which numpy computes too (compare.py). */

import {
  BRICK,
  baseLevel,
  brickRange,
  planeOf,
  sliceIndex,
  targetLevel,
} from "../../src/viewer/geometry.ts";
import { boundsOf } from "../../src/viewer/slices/draw_list.ts";
import type { BrickKey } from "../../src/viewer/stream/brick_key.ts";
import type {
  BrickStream,
  StreamListener,
  ViewRequest,
} from "../../src/viewer/stream/brick_stream.ts";
import type { Layer, WireType } from "../../src/viewer/types.ts";

export type Script = {
  readonly layers: readonly Layer[];
  /** "layer/level/row/column" of bricks that never come, or fail. */
  readonly withheld: readonly string[];
  readonly failing: readonly string[];
  /** Milliseconds between bricks. */
  readonly pause: number;
};

export class ScriptedStream implements BrickStream {
  received = 0;
  readonly #script: Script;
  #listener: StreamListener | null = null;
  readonly #held = new Set<string>();
  #generation = 0;
  #run = 0;

  constructor(script: Script) {
    this.#script = script;
  }

  open(listener: StreamListener): void {
    this.#listener = listener;
    setTimeout(() => {
      listener.state("open");
      listener.opened();
      listener.message({ type: "scene", layers: this.#script.layers, opening: 0, notices: [] });
    }, 0);
  }

  sendView(view: ViewRequest): void {
    this.#generation = view.generation;
    this.#run += 1;
    void this.#serve(view, this.#run);
  }

  /** No script has a volume. */
  sendVolume(): void {}

  sendAck(_bytes: number, evicted: readonly BrickKey[]): void {
    for (const key of evicted) this.#held.delete(String(key));
  }

  sendLost(): void {
    this.#held.clear();
  }

  sendRetry(): void {}
  sendWatch(): void {}
  sendPick(): void {}
  setSlots(): void {}

  close(): void {}

  async #serve(view: ViewRequest, run: number): Promise<void> {
    const targets: Record<string, number> = {};
    for (const base of [true, false]) {
      for (const layer of this.#script.layers) {
        if (!view.visible.includes(layer.id)) continue;
        const target = targetLevel(layer, view.displayed, view.zoom);
        targets[String(layer.id)] = target;
        const level = base ? baseLevel(layer, view.displayed) : target;
        const plane = planeOf(layer, level, view.displayed);
        const slice = sliceIndex(layer, level, view);
        if (!plane || !slice) continue;
        const range = brickRange(plane, view, boundsOf(layer, view.displayed, view));
        for (let row = range.y0; row < range.y1; row++) {
          for (let column = range.x0; column < range.x1; column++) {
            const name = `${layer.id}/${level}/${row}/${column}`;
            const key: BrickKey = [layer.id, level, slice, row, column];
            if (this.#held.has(String(key)) || this.#script.withheld.includes(name)) continue;
            if (this.#script.failing.includes(name)) {
              this.#listener?.message({ type: "failed", key, reason: "scripted" });
              continue;
            }
            await new Promise((resolve) => setTimeout(resolve, this.#script.pause));
            if (run !== this.#run) return;
            const rows = Math.min(plane.shape[0] - row * BRICK, BRICK);
            const columns = Math.min(plane.shape[1] - column * BRICK, BRICK);
            const payload = values(layer, level, slice, row * BRICK, column * BRICK, rows, columns);
            this.#held.add(String(key));
            this.received += payload.length;
            this.#listener?.message({
              type: "brick",
              generation: view.generation,
              key,
              shape: [rows, columns],
              range: null,
              provenance: "memory",
              payload,
            });
          }
        }
      }
    }
    if (run !== this.#run) return;
    this.#listener?.message({
      type: "stats",
      generation: this.#generation,
      settled: true,
      wanted: 0,
      held: 0,
      failed: 0,
      targets,
      bytesRead: 0,
      cacheBytes: 0,
      cacheBudget: 0,
      inFlight: 0,
      planMs: 0,
      loadedBytes: 0,
      wastedBytes: 0,
    });
  }
}

const MAKERS = {
  uint8: Uint8Array,
  int8: Int8Array,
  uint16: Uint16Array,
  int16: Int16Array,
  uint32: Uint32Array,
  int32: Int32Array,
  float32: Float32Array,
  uint64: BigUint64Array,
} as const;

/** What every pixel is worth, 0 … 65535, before it is fitted to a type. */
function raw(level: number, z: number, y: number, x: number, sample: number): number {
  const blocks = (Math.floor(x / 32) * Math.floor(y / 16)) % 31;
  return (x * 37 + y * 101 + level * 5300 + z * 900 + sample * 21000 + blocks * 1800) % 65536;
}

function fitted(v: number, dtype: WireType, y: number, x: number): number | bigint {
  switch (dtype) {
    case "uint8":
      return v >> 8;
    case "int8":
      return (v >> 8) - 128;
    case "uint16":
      return v;
    case "int16":
      return v - 32768;
    case "uint32":
      return 4_000_000_000 + v;
    case "int32":
      return v - 2_000_000_000;
    case "float32":
      return (x + 3 * y) % 97 === 0 ? Number.NaN : v / 65536 - 0.5;
    case "uint64": {
      const cell = BigInt(Math.floor(x / 16)) + (BigInt(Math.floor(y / 16)) << 33n);
      return Math.floor(x / 16) % 5 === 0 ? 0n : cell;
    }
  }
}

function values(
  layer: Layer,
  level: number,
  slice: readonly number[],
  y0: number,
  x0: number,
  rows: number,
  columns: number,
): Uint8Array {
  const array = new MAKERS[layer.dtype](rows * columns * layer.samples);
  let i = 0;
  for (let y = y0; y < y0 + rows; y++) {
    for (let x = x0; x < x0 + columns; x++) {
      for (let sample = 0; sample < layer.samples; sample++) {
        array[i++] = fitted(raw(level, slice[0] ?? 0, y, x, sample), layer.dtype, y, x) as never;
      }
    }
  }
  return new Uint8Array(array.buffer);
}
