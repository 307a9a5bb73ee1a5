/** The discs of a layer of points: which are shown, where, how large, in which colour, in which order. Pure. */

import type { PointsKey } from "./brick_key.ts";
import type { PointsSight } from "./points_sight.ts";
import type { PointsStore } from "./points_store.ts";
import { diameter, drawnProperties, plainTone, propertyOf, sizing, toneOf } from "./points_tone.ts";
import type { Sample } from "./server_messages.ts";
import type { Layer, LayerSettings, Pair } from "./types.ts";

/** Numbers of four bytes per disc: x, y and radius in device pixels (float32), colour (bytes). */
export const STRIDE = 4;
/** What is nearer than this to a disc that is smaller still points to it. */
const NEAREST = 3;
const BINS = 1 << 16;

export type Discs = {
  readonly count: number;
  /** What the GPU gets; the first ones lie at the bottom. */
  readonly data: Float32Array;
  /** For each disc the cell of its point, and the point's number there. */
  readonly cells: readonly PointsKey[];
  readonly cell: Uint32Array;
  readonly index: Uint32Array;
};

export const NO_DISCS: Discs = {
  count: 0,
  data: new Float32Array(0),
  cells: [],
  cell: new Uint32Array(0),
  index: new Uint32Array(0),
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
  const kept = sight.displayed.length === 3 ? byDepth(seen, lowest(seen)) : lowest(seen);
  return coloured(layer, settings, seen, kept, store, sight, colormaps);
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

/** The numbers of those that are shown: of too many, those with the lowest ranks. */
function lowest({ most, count, rank }: Seen): Uint32Array {
  const all = Uint32Array.from({ length: count }, (_, i) => i);
  if (count <= most) return all;
  const bound = rank.slice(0, count).sort()[most] ?? Number.POSITIVE_INFINITY;
  return all.filter((i) => (rank[i] ?? 0) < bound);
}

/** The farthest first, but for those that are nearly as far as each other: these stay in order. */
function byDepth({ depth }: Seen, kept: Uint32Array): Uint32Array {
  let [low, high] = [Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY];
  for (const i of kept) {
    low = Math.min(low, depth[i] ?? 0);
    high = Math.max(high, depth[i] ?? 0);
  }
  const factor = (BINS - 1) / Math.max(high - low, Number.MIN_VALUE);
  const bin = (i: number) => Math.floor((high - (depth[i] ?? 0)) * factor);
  const starts = new Uint32Array(BINS + 1);
  for (const i of kept) starts[bin(i) + 1] = (starts[bin(i) + 1] ?? 0) + 1;
  for (let b = 0; b < BINS; b++) starts[b + 1] = (starts[b + 1] ?? 0) + (starts[b] ?? 0);
  const ordered = new Uint32Array(kept.length);
  for (const i of kept) {
    const place = starts[bin(i)] ?? 0;
    ordered[place] = i;
    starts[bin(i)] = place + 1;
  }
  return ordered;
}

function coloured(
  layer: Layer,
  settings: LayerSettings,
  seen: Seen,
  kept: Uint32Array,
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
  const radius = diameter(settings) / 2;
  const data = new Float32Array(kept.length * STRIDE);
  const words = new Uint32Array(data.buffer);
  const [cell, index] = [new Uint32Array(kept.length), new Uint32Array(kept.length)];
  let count = 0;
  for (const i of kept) {
    const [from = 0, at = 0] = [seen.cell[i], seen.index[i]];
    const { colours, sizes } = columns[from] ?? {};
    const colour = colours ? tone(colours[at] ?? Number.NaN) : plain(0);
    if (colour < 0) continue;
    const scale = settings.unit === "world" ? sight.scale(seen.depth[i] ?? 0) : 1;
    const to = count * STRIDE;
    data[to] = seen.x[i] ?? 0;
    data[to + 1] = seen.y[i] ?? 0;
    data[to + 2] = radius * scale * (sizes ? size(sizes[at] ?? Number.NaN) : 1);
    words[to + 3] = colour;
    cell[count] = from;
    index[count] = at;
    count += 1;
  }
  return { count, data, cells: seen.cells, cell, index };
}
