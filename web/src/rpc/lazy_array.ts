/** Arrays that stay where they are: their parts are fetched when they are asked for. */
import { type CallContext, withContext } from "./call_context.ts";
import type { CallOptions } from "./call_marks.ts";
import { ProtocolError } from "./errors.ts";
import { methodAt } from "./exposed.ts";
import { itemSize, NdArray } from "./ndarray.ts";
import { checkRegions, countOf, type Part, type Region, regionOf, shapeOf } from "./regions.ts";
import { forward, handleOf } from "./remote.ts";

const never = new AbortController().signal;

export class LazyArray {
  /** What serves the parts: a remote, or an object of this side with a method `read`. */
  readonly source: object;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** The blocks in which it is read with the least waste. */
  readonly chunks: readonly number[] | null;

  constructor(
    source: object,
    dtype: string,
    shape: readonly number[],
    chunks: readonly number[] | null,
  ) {
    this.source = source;
    this.dtype = dtype;
    this.shape = shape;
    this.chunks = chunks;
  }

  /**
   * A part: `await image.read([3, [0, 512], null])` is what NumPy calls `image[3, 0:512, :]`. Aborting the signal
   * ends the reading over there.
   */
  async read(index: readonly Part[] = [], options: CallOptions = {}): Promise<NdArray> {
    const [part] = await this.readMany([index], options);
    return part as NdArray;
  }

  /** Several parts, in one call. */
  async readMany(
    indices: readonly (readonly Part[])[],
    { signal = never, progress }: CallOptions = {},
  ): Promise<NdArray[]> {
    const wanted = indices.map((index) => regionOf(index, this.shape));
    const context: CallContext = {
      signal,
      progress: (done = null, total = null, text = null) => progress?.({ done, total, text }),
    };
    const read = methodAt(this.source, "read", forward);
    const arrays = await read([wanted.map(({ region }) => region)], {}, context);
    if (!Array.isArray(arrays) || arrays.length !== wanted.length) throw wrong();
    return wanted.map(({ region, shape }, n) => {
      const array: unknown = arrays[n];
      if (!(array instanceof NdArray) || array.dtype !== this.dtype) throw wrong();
      if (String(array.shape) !== String(shapeOf(region))) throw wrong();
      return new NdArray(array.dtype, shape, array.data);
    });
  }

  /**
   * What its owner says of it at every resolution, fine to coarse and itself first: `{array, axes, scale, …}`. Nothing,
   * if that owner has it as it is alone.
   */
  async levels(): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const context: CallContext = { signal: never, progress: () => undefined };
    try {
      const levels = await methodAt(this.source, "levels", forward)([], {}, context);
      return Array.isArray(levels) ? levels : [];
    } catch {
      return []; // it has no such method; if the link is lost, reading will say so
    }
  }

  /** Gives the array back to its owner. (Garbage collection does it too, some day.) */
  release(): void {
    const handle = handleOf(this.source);
    handle?.link.release(handle);
  }
}

function wrong(): ProtocolError {
  return new ProtocolError("A lazy array gave something else than it was asked for.");
}

export type LazyOptions = {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly chunks?: readonly number[] | null;
  /** The content of a region, of which the shape is `[stop - start, rounded up, by step]` for each axis. */
  readonly read: (region: Region, signal: AbortSignal) => NdArray | PromiseLike<NdArray>;
};

const sent = new WeakMap<object, WeakRef<LazyArray>>();

/** An array of this side that others read in parts. Sent back, it comes home as what this returns. */
export function lazyArray({ dtype, shape, chunks = null, read }: LazyOptions): LazyArray {
  const size = itemSize(dtype);
  const source = {
    read: withContext(async ({ signal }: CallContext, claimed: unknown) => {
      const parts: NdArray[] = [];
      for (const region of checkRegions(claimed, shape, size)) {
        signal.throwIfAborted();
        const part = await read(region, signal);
        if (part.dtype === dtype && countOf(part.shape) === countOf(shapeOf(region))) {
          parts.push(new NdArray(dtype, shapeOf(region), part.data));
        } else throw new TypeError("What was read of a lazy array is not what was asked for.");
      }
      return parts;
    }),
  };
  const array = new LazyArray(source, dtype, shape, chunks);
  sent.set(source, new WeakRef(array));
  return array;
}

/** What an object is where it comes home: the array that it serves, or itself. */
export function atHome(object: object): object {
  return sent.get(object)?.deref() ?? object;
}
