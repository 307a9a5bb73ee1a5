/** A lazy array as what viewers know: the store of a Zarr array (version 2), whose chunks are read when they are asked for. */
import type { Typed } from "../imjoy/values.ts";
import type { LazyArray } from "../rpc/lazy_array.ts";
import { itemSize, type NdArray } from "../rpc/ndarray.ts";

const SIDE = 256;

/** Zarr's names of types, little endian. */
const KINDS: Readonly<Record<string, string>> = {
  bool: "|b1",
  int8: "|i1",
  uint8: "|u1",
};

export function zarrStore(array: LazyArray): Typed {
  const { shape, dtype } = array;
  const chunks =
    array.chunks ?? shape.map((side, n) => (n < shape.length - 2 ? 1 : Math.min(side, SIDE)));
  const about = {
    zarr_format: 2,
    shape,
    chunks: chunks.map((side) => Math.max(1, side)),
    dtype: kindOf(dtype),
    order: "C",
    compressor: null,
    fill_value: 0,
    filters: null,
  };
  const place = (key: unknown) => placeOf(String(key), shape, about.chunks);
  return {
    _rtype: "zarr-array",
    _rintf: true,
    getItem: async (key: unknown) => {
      const name = String(key);
      if (name.endsWith(".zarray")) return textBytes(about);
      if (name.endsWith(".zattrs")) return textBytes({});
      const chunk = place(key);
      if (!chunk) throw new Error(`KeyError: ${name}`);
      const part = await array.read(chunk.map(([start, stop]) => [start, stop]));
      return padded(part, about.chunks, itemSize(dtype));
    },
    containsItem: (key: unknown) =>
      [".zarray", ".zattrs"].includes(String(key)) || place(key) !== null,
    setItem: () => {
      throw new Error("This array can only be read.");
    },
  };
}

function kindOf(dtype: string): string {
  const known = KINDS[dtype];
  if (known) return known;
  const [, kind = "", bits = ""] = /^([a-z]+)([0-9]+)/.exec(dtype) ?? [];
  const letter = { uint: "u", int: "i", float: "f", complex: "c" }[kind];
  if (letter) return `<${letter}${Number(bits) / 8}`;
  throw new TypeError(`Zarr has no arrays of ${dtype} that a page could read.`);
}

function textBytes(value: unknown): ArrayBuffer {
  return new TextEncoder().encode(JSON.stringify(value)).buffer;
}

/** From where to where a chunk lies; null: there is none of that name. */
function placeOf(
  key: string,
  shape: readonly number[],
  chunks: readonly number[],
): [number, number][] | null {
  if (!/^[0-9]+([./][0-9]+)*$/.test(key)) return null;
  const numbers = key.split(/[./]/).map(Number);
  if (numbers.length !== Math.max(1, shape.length)) return null;
  const place = shape.map((side, n): [number, number] => {
    const start = (numbers[n] ?? 0) * (chunks[n] ?? 1);
    return [start, Math.min(side, start + (chunks[n] ?? 1))];
  });
  return place.every(([start, stop]) => start < stop) ? place : null;
}

/** Chunks at the edge are stored whole. */
function padded({ shape, bytes }: NdArray, chunks: readonly number[], size: number): ArrayBuffer {
  if (String(shape) === String(chunks)) return bytes.slice().buffer;
  const whole = new Uint8Array(chunks.reduce((all, side) => all * side, size));
  const row = (shape.at(-1) ?? 1) * size;
  const rows = row > 0 ? bytes.length / row : 0;
  for (let n = 0; n < rows; n++) {
    let [rest, stride, start] = [n, (chunks.at(-1) ?? 1) * size, 0];
    for (let axis = shape.length - 2; axis >= 0; axis--) {
      const side = shape[axis] ?? 1;
      start += (rest % side) * stride;
      rest = Math.floor(rest / side);
      stride *= chunks[axis] ?? 1;
    }
    whole.set(bytes.subarray(n * row, (n + 1) * row), start);
  }
  return whole.buffer;
}
