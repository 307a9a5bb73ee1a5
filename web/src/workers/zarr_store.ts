/**
 * A lazy array as what viewers know: a store of Zarr (version 2), whose chunks are read when they are asked for. It is an
 * array, and beside that a group of OME-Zarr (0.4) with the levels that the array has; so it can be opened as either.
 */
import type { Typed } from "../imjoy/values.ts";
import { LazyArray } from "../rpc/lazy_array.ts";
import { itemSize, type NdArray } from "../rpc/ndarray.ts";
import { blosc } from "./blosc_frame.ts";

const SIDE = 256;
/** Bytes of a chunk, at most: a viewer gets it in one message. */
const LARGEST = 1 << 22;
const AXES = ["t", "c", "z", "y", "x"];
const TYPES: Readonly<Record<string, string>> = { t: "time", c: "channel" };

/** Zarr's names of types of one byte. Booleans are numbers, which more programs know. */
const KINDS: Readonly<Record<string, string>> = {
  bool: "|u1",
  int8: "|i1",
  uint8: "|u1",
};

type Level = {
  readonly array: LazyArray;
  readonly chunks: readonly number[];
  readonly axes: readonly string[];
  readonly units: readonly (string | null)[];
  readonly scale: readonly number[];
  readonly translation: readonly number[];
  readonly name: string;
};

type Place = { readonly level: Level; readonly region: [number, number][] };

export function zarrStore(array: LazyArray): Typed {
  const store = new ZarrStore(array);
  return {
    _rtype: "zarr-array",
    _rintf: true,
    getItem: (key: unknown) => store.item(String(key)),
    containsItem: (key: unknown) => store.has(String(key)),
    setItem: () => {
      throw new Error("This array can only be read.");
    },
  };
}

class ZarrStore {
  readonly #array: LazyArray;
  #asked: Promise<readonly Level[]> | null = null;

  constructor(array: LazyArray) {
    this.#array = array;
  }

  async item(key: string): Promise<ArrayBuffer> {
    const levels = await this.#levels();
    const document = documentAt(key, levels);
    if (document) return textBytes(document);
    const place = placeOf(key, levels);
    if (!place) throw new Error(`KeyError: ${key}`);
    const { array, chunks } = place.level;
    const size = itemSize(array.dtype);
    return blosc(padded(await array.read(place.region), chunks, size), size);
  }

  async has(key: string): Promise<boolean> {
    const levels = await this.#levels();
    return documentAt(key, levels) !== null || placeOf(key, levels) !== null;
  }

  #levels(): Promise<readonly Level[]> {
    this.#asked ??= levelsOf(this.#array);
    return this.#asked;
  }
}

/** What is known of an array's levels, fine to coarse; if nothing is, it is the only one. */
async function levelsOf(array: LazyArray): Promise<readonly Level[]> {
  const known = await array.levels();
  const levels = known.map((about) => levelFrom(about, array));
  return levels.length > 0 ? levels : [levelFrom({}, array)];
}

function levelFrom(about: Readonly<Record<string, unknown>>, whole: LazyArray): Level {
  const array = about["array"] instanceof LazyArray ? about["array"] : whole;
  const { shape, dtype } = array;
  const given = array.chunks ?? shape.map((_, n) => (n < shape.length - 2 ? 1 : SIDE));
  const numbers = (value: unknown, or: number) =>
    shape.map((_, n) => Number((Array.isArray(value) ? value[n] : null) ?? or));
  const axes = Array.isArray(about["axes"]) ? about["axes"].map(String) : axesOf(shape);
  const units: unknown[] = Array.isArray(about["units"]) ? about["units"] : [];
  return {
    array,
    chunks: chunksWithin(given, shape, itemSize(dtype)),
    axes,
    units: axes.map((_, n) => (typeof units[n] === "string" ? units[n] : null)),
    scale: numbers(about["scale"], 1),
    translation: numbers(about["translation"], 0),
    name: String(about["name"] ?? "image"),
  };
}

/** What the axes of an array are that says nothing of them, as NumPy's arrays of images mostly have it. */
function axesOf(shape: readonly number[]): string[] {
  if (shape.length === 3 && (shape[2] === 3 || shape[2] === 4)) return ["y", "x", "c"];
  const more = Array.from(
    { length: Math.max(0, shape.length - AXES.length) },
    (_, n) => `dim_${n}`,
  );
  return [...more, ...AXES.slice(Math.max(0, AXES.length - shape.length))];
}

function chunksWithin(given: readonly number[], shape: readonly number[], size: number): number[] {
  const chunks = given.map((side, n) => Math.max(1, Math.min(side, shape[n] ?? 1)));
  const bytes = () => chunks.reduce((all, side) => all * side, size);
  while (bytes() > LARGEST && Math.max(...chunks) > 1) {
    const longest = chunks.indexOf(Math.max(...chunks));
    chunks[longest] = Math.ceil((chunks[longest] ?? 1) / 2);
  }
  return chunks;
}

function documentAt(key: string, levels: readonly Level[]): object | null {
  const [finest] = levels;
  if (key === ".zgroup") return { zarr_format: 2 };
  if (key === ".zattrs") return { multiscales: [multiscale(levels)] };
  if (key === ".zarray" && finest) return metadata(finest);
  const [path, name, ...more] = key.split("/");
  const level = more.length === 0 && /^[0-9]+$/.test(path ?? "") ? levels[Number(path)] : undefined;
  if (level && name === ".zarray") return metadata(level);
  return level && name === ".zattrs" ? { _ARRAY_DIMENSIONS: level.axes } : null;
}

function metadata({ array, chunks }: Level): object {
  return {
    zarr_format: 2,
    shape: array.shape,
    chunks,
    dtype: kindOf(array.dtype),
    order: "C",
    compressor: { id: "blosc", cname: "lz4", clevel: 0, shuffle: 0, blocksize: 0 },
    fill_value: 0,
    filters: null,
    dimension_separator: ".",
  };
}

function multiscale(levels: readonly Level[]): object {
  const [finest] = levels;
  return {
    version: "0.4",
    name: finest?.name,
    axes: finest?.axes.map((name, n) => ({
      name,
      type: TYPES[name] ?? "space",
      ...(finest.units[n] && { unit: finest.units[n] }),
    })),
    datasets: levels.map(({ scale, translation }, n) => ({
      path: String(n),
      coordinateTransformations: [
        { type: "scale", scale },
        { type: "translation", translation },
      ],
    })),
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

function textBytes(value: object): ArrayBuffer {
  return new TextEncoder().encode(JSON.stringify(value)).buffer;
}

/** Of which level a chunk is, and from where to where it lies; null: there is none of that name. */
function placeOf(key: string, levels: readonly Level[]): Place | null {
  const [, path = "0", name = ""] = /^(?:([0-9]+)\/)?([0-9]+(?:\.[0-9]+)*)$/.exec(key) ?? [];
  const level = name ? levels[Number(path)] : undefined;
  if (!level) return null;
  const { shape } = level.array;
  const numbers = name.split(".").map(Number);
  if (numbers.length !== Math.max(1, shape.length)) return null;
  const region = shape.map((side, n): [number, number] => {
    const start = (numbers[n] ?? 0) * (level.chunks[n] ?? 1);
    return [start, Math.min(side, start + (level.chunks[n] ?? 1))];
  });
  return region.every(([start, stop]) => start < stop) ? { level, region } : null;
}

/** Chunks at the edge are stored whole. */
function padded({ shape, bytes }: NdArray, chunks: readonly number[], size: number): Uint8Array {
  if (String(shape) === String(chunks)) return bytes;
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
  return whole;
}
