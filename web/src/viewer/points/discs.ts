/** The discs of a layer of points: which are shown, where, how large, in which colour, in which order. Pure. */

import type { PointsKey } from "../stream/brick_key.ts";
import type { Sample } from "../stream/server_messages.ts";
import type { Layer, LayerSettings, Pair } from "../types.ts";
import type { PointsSight } from "./points_sight.ts";
import type { PointsStore } from "./points_store.ts";
import { diameter, drawnProperties, plainTone, propertyOf, sizing, toneOf } from "./points_tone.ts";

/** Numbers of four bytes per disc: x, y and radius in device pixels (float32), colour (bytes). */
export const STRIDE = 4;
/** What is nearer than this to a disc that is smaller still points to it. */
const NEAREST = 3;
const BINS = 1 << 16;

export type Discs = {
  readonly count: number;
  /** What the GPU gets; the first ones lie at the bottom. */
  readonly data: Float32Array;
  /** The point of each: of which cell, and its number there. `order` says which point a disc is of. */
  readonly points: Owners;
  readonly order: Uint32Array | null;
};

type Owners = {
  readonly cells: readonly PointsKey[];
  readonly cell: Uint32Array;
  readonly index: Uint32Array;
};

export const NO_DISCS: Discs = {
  count: 0,
  data: new Float32Array(0),
  points: { cells: [], cell: new Uint32Array(0), index: new Uint32Array(0) },
  order: null,
};

type Colormaps = Readonly<Record<string, Uint8Array>>;

/** Null where the layer has not all axes that are displayed. */
export function discsOf(
  layer: Layer,
  settings: LayerSettings,
  sample: Sample,
  store: PointsStore,
  sight: PointsSight,
  colormaps: Colormaps,
): Discs | null {
  const names = layer.axes.map((axis) => axis.name);
  const shown = sight.displayed.map((name) => names.indexOf(name));
  if (shown.includes(-1)) return null;
  const seen = seenOf(layer, settings, sample, store, sight, shown);
  const discs = coloured(layer, settings, seen, store, sight, colormaps);
  return sight.displayed.length === 3 ? byDepth(discs, seen.depth) : discs;
}

/** The point that a disc is of. */
export function pointOf(
  { count, points, order }: Discs,
  disc: number,
): { readonly key: PointsKey; readonly index: number } | null {
  if (disc < 0 || disc >= count) return null;
  const place = order ? (order[disc] ?? 0) : disc;
  const key = points.cells[points.cell[place] ?? -1];
  return key ? { key, index: points.index[place] ?? 0 } : null;
}

/** The uppermost disc at a place (x, y), or nearly there; -1: none. */
export function discAt({ count, data }: Discs, at: Pair): number {
  for (let i = count - 1; i >= 0; i--) {
    const dx = (data[i * STRIDE] ?? 0) - at[0];
    const dy = (data[i * STRIDE + 1] ?? 0) - at[1];
    const reach = Math.max((data[i * STRIDE + 2] ?? 0) + 0.5, NEAREST);
    if (dx * dx + dy * dy <= reach * reach) return i;
  }
  return -1;
}

/** Of the data of discs those that reach into some rows of pixels, in the same order. */
export function discsWithin({ count, data }: Discs, rows: Pair): Uint32Array {
  // As whole numbers, like all that is moved.
  const [from, kept] = [new Uint32Array(data.buffer), new Uint32Array(count * STRIDE)];
  let length = 0;
  for (let i = 0; i < count; i++) {
    const y = data[i * STRIDE + 1] as number;
    const reach = Math.max(data[i * STRIDE + 2] as number, 0.5) + 1;
    if (y + reach < rows[0] || y - reach > rows[1]) continue;
    for (let word = 0; word < STRIDE; word++)
      kept[length + word] = from[i * STRIDE + word] as number;
    length += STRIDE;
  }
  return kept.subarray(0, length);
}

/** Points that are seen. Arrays have room for all that are looked at, and `count` entries. */
type Seen = {
  readonly most: number;
  readonly count: number;
  readonly cells: readonly PointsKey[];
  readonly cell: Uint32Array;
  readonly index: Uint32Array;
  readonly rank: Float64Array;
  readonly x: Float64Array;
  readonly y: Float64Array;
  readonly depth: Float64Array;
};

function seenOf(
  layer: Layer,
  settings: LayerSettings,
  sample: Sample,
  store: PointsStore,
  sight: PointsSight,
  shown: readonly number[],
): Seen {
  const axes = layer.axes.length;
  const held = sample.cells.map((wanted) => {
    const cell = store.get(wanted.key);
    return { wanted, cell, count: cell ? Math.min(cell.count, wanted.count) : 0 };
  });
  const room = held.reduce((total, { count }) => total + count, 0);
  const columns = () => new Float64Array(room);
  const places = { x: columns(), y: columns(), depth: columns() };
  const rank = columns();
  const [cells, cell, index] = [[] as PointsKey[], new Uint32Array(room), new Uint32Array(room)];
  const reach = diameter(settings) / 2 / (settings.unit === "world" ? 1 : sight.scale(0));
  const slabs = layer.axes.flatMap(({ name }, axis) => {
    const ends = sample.slab[name];
    return ends && !shown.includes(axis) ? [{ axis, low: ends[0], high: ends[1] }] : [];
  });
  let count = 0;
  for (const { wanted, cell: from, count: some } of held) {
    if (!from) continue;
    const step = (wanted.stop - wanted.start) / Math.max(wanted.count, 1);
    const { positions } = from;
    for (let i = 0; i < some; i++) {
      const start = i * axes;
      if (!isWithin(positions, start, slabs)) continue;
      if (!sight.see(positions, start, shown, reach, places, count)) continue;
      rank[count] = wanted.start + step * (i + 0.5);
      cell[count] = cells.length;
      index[count] = i;
      count += 1;
    }
    cells.push(wanted.key);
  }
  return { most: sample.most, count, cells, cell, index, rank, ...places };
}

type Slab = { readonly axis: number; readonly low: number; readonly high: number };

function isWithin(positions: Float64Array, start: number, slabs: readonly Slab[]): boolean {
  for (const { axis, low, high } of slabs) {
    const at = positions[start + axis] ?? 0;
    if (!(at >= low && at <= high)) return false;
  }
  return true;
}

/** The rank below which points are shown: of too many, those with the lowest ranks. */
function bound({ most, count, rank }: Seen): number {
  if (count <= most) return Number.POSITIVE_INFINITY;
  return rank.slice(0, count).sort()[most] ?? Number.POSITIVE_INFINITY;
}

/** The farthest first, but for those that are nearly as far as each other: these stay in order. */
function byDepth({ count, data, points }: Discs, depth: Float64Array): Discs {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (let i = 0; i < count; i++) {
    const away = depth[i] as number;
    if (away < low) low = away;
    if (away > high) high = away;
  }
  const factor = (BINS - 1) / Math.max(high - low, Number.MIN_VALUE);
  const bins = new Uint16Array(count);
  const starts = new Uint32Array(BINS + 1);
  for (let i = 0; i < count; i++) {
    const bin = Math.floor((high - (depth[i] as number)) * factor);
    bins[i] = bin;
    (starts[bin + 1] as number)++;
  }
  for (let b = 0; b < BINS; b++) (starts[b + 1] as number) += starts[b] as number;
  const order = new Uint32Array(count);
  // Moved as whole numbers: the bytes of a colour may spell a NaN, which would lose them.
  const [from, sorted] = [new Uint32Array(data.buffer), new Uint32Array(count * STRIDE)];
  for (let i = 0; i < count; i++) {
    const to = (starts[bins[i] as number] as number)++;
    order[to] = i;
    for (let word = 0; word < STRIDE; word++) {
      sorted[to * STRIDE + word] = from[i * STRIDE + word] as number;
    }
  }
  return { count, data: new Float32Array(sorted.buffer), points, order };
}

/** Points that have no colour are left out; then `depth` moves up, as all of `seen` does. */
function coloured(
  layer: Layer,
  settings: LayerSettings,
  seen: Seen,
  store: PointsStore,
  sight: PointsSight,
  colormaps: Colormaps,
): Discs {
  const names = drawnProperties(layer, settings);
  const colourBy = propertyOf(layer, settings.colourBy);
  const sizeBy = propertyOf(layer, settings.sizeBy);
  const plain = plainTone(settings, colormaps);
  const tone = colourBy ? toneOf(colourBy, settings, colormaps) : plain;
  const size = sizing(sizeBy);
  // What has come without these properties, which were chosen just now, is drawn without them.
  const columns = seen.cells.map((key) => {
    const values = store.get(key)?.values;
    const [colours, sizes] = [colourBy, sizeBy].map((one) => one && values?.get(one.name));
    return names.every((name) => values?.has(name)) ? { colours, sizes } : {};
  });
  const [radius, below] = [diameter(settings) / 2, bound(seen)];
  const inWorld = settings.unit === "world";
  const data = new Float32Array(seen.count * STRIDE);
  const words = new Uint32Array(data.buffer);
  const { cell, index, rank, x, y, depth } = seen;
  let count = 0;
  for (let i = 0; i < seen.count; i++) {
    if (!((rank[i] as number) < below)) continue;
    const [from, at] = [cell[i] as number, index[i] as number];
    const column = columns[from];
    const colours = column?.colours;
    const colour = colours ? tone(colours[at] as number) : plain(0);
    if (colour < 0) continue;
    const away = depth[i] as number;
    const sizes = column?.sizes;
    const to = count * STRIDE;
    data[to] = x[i] as number;
    data[to + 1] = y[i] as number;
    data[to + 2] =
      radius * (inWorld ? sight.scale(away) : 1) * (sizes ? size(sizes[at] as number) : 1);
    words[to + 3] = colour;
    cell[count] = from;
    index[count] = at;
    depth[count] = away;
    count += 1;
  }
  return { count, data, points: { cells: seen.cells, cell, index }, order: null };
}
