/**
 * From which brick each place of a volume is drawn. Pure.
 *
 * A *cell* is a piece of the layer's extent that is drawn from one brick: the coarsest that is held there and
 * is fine enough, else the finest. Only what is held is looked at, so that the size of an image does not matter.
 */

import type { Slot, SlotTable } from "../slots.ts";
import { planeName, type Slice, volumeNumber } from "../stream/brick_key.ts";
import type { Box, Layer, Pair, Triple, VolumeView } from "../types.ts";
import { childrenOf, each, type Octree, octreeOf, parentOf, SIDE } from "./octree.ts";
import { project, type VolumeSight, voxelPixels } from "./volume_camera.ts";

const LEVEL_TOLERANCE = 1e-6;

export type Cell<Content> = {
  readonly slot: Slot<Content>;
  /** Corners relative to the camera's centre. */
  readonly low: Triple;
  readonly high: Triple;
  /** Device pixels from the upper left that it may cover: first and last-plus-one. */
  readonly first: Pair;
  readonly stop: Pair;
};

export type CellList<Content> = {
  readonly tree: Octree;
  /** From front to back. */
  readonly cells: readonly Cell<Content>[];
  /** Corners, relative to the camera's centre, of places of bricks that would be drawn but cannot be had. */
  readonly failed: readonly Box[];
  /** What may be seen of the layer's extent, relative to the camera's centre. */
  readonly low: Triple;
  readonly high: Triple;
};

type Node = { readonly place: Triple; readonly children: Map<number, Node> };

/** Null: the layer is no volume along these axes, or nothing of it is seen. */
export function cellList<Content>(
  layer: Layer,
  volume: Pick<VolumeView, "displayed" | "quality" | "clip">,
  slices: readonly Slice[] | null,
  sight: VolumeSight,
  slots: SlotTable<Content>,
): CellList<Content> | null {
  const tree = octreeOf(layer, volume.displayed);
  if (!tree || !slices) return null;
  const relative = (world: Triple) => each((i) => world[i] - sight.center[i]);
  const box = clipped(relative(tree.low), relative(tree.high), volume.clip, relative);
  if (!box) return null;
  const [low, high] = box;
  const largest = (1 + LEVEL_TOLERANCE) / volume.quality;
  const names = tree.levels.map((_, level) => planeName(layer.id, level, slices[level] ?? []));
  const cells: Cell<Content>[] = [];
  const failed: Box[] = [];

  const emit = (slot: Slot<Content>, from: Triple, to: Triple) => {
    const region = intersection(from, to, low, high);
    if (!region) return;
    const area = canvasArea(sight, region[0], region[1]);
    if (area) cells.push({ slot, low: region[0], high: region[1], ...area });
  };
  const descend = (
    level: number,
    node: Node,
    from: Triple,
    to: Triple,
    coarser: Slot<Content> | null,
  ) => {
    const region = intersection(from, to, low, high);
    const geometry = tree.levels[level];
    if (!geometry || !region || !canvasArea(sight, region[0], region[1])) return;
    const own = slots.numbered(names[level] ?? "", volumeNumber(...node.place));
    const best = own ?? coarser;
    const fine = own !== null && voxelPixels(sight, from, to, geometry.voxel) <= largest;
    const finer = tree.levels[level - 1];
    if (fine || node.children.size === 0 || !finer) {
      if (best) emit(best, from, to);
      const number = volumeNumber(...node.place);
      if (!own && slots.hasFailedNumbered(names[level] ?? "", number)) failed.push(region);
      return;
    }
    const { first, stop } = childrenOf(tree, level, node.place);
    const edge = relative(finer.edge);
    for (const place of inOrder(placesOf(first, stop), sight, edge, finer.scale)) {
      const begin = each((i) => edge[i] + finer.scale[i] * SIDE * place[i]);
      const lower = each((i) => (place[i] > first[i] ? clamp(begin[i], from[i], to[i]) : from[i]));
      const upper = each((i) =>
        place[i] < stop[i] - 1 ? clamp(begin[i] + finer.scale[i] * SIDE, from[i], to[i]) : to[i],
      );
      const child = node.children.get(volumeNumber(...place));
      if (child) descend(level - 1, child, lower, upper, best);
      else if (best) emit(best, lower, upper);
    }
  };

  const coarsest = tree.levels[tree.base];
  if (!coarsest) return null;
  const edge = relative(coarsest.edge);
  const roots = heldTree(layer.id, tree, slices, slots);
  for (const place of inOrder([...roots.values()].map(at), sight, edge, coarsest.scale)) {
    const root = roots.get(volumeNumber(...place));
    if (!root) continue;
    const begin = each((i) => edge[i] + coarsest.scale[i] * SIDE * place[i]);
    const from = each((i) => (place[i] > 0 ? begin[i] : Math.min(begin[i], low[i])));
    const to = each((i) =>
      place[i] < coarsest.bricks[i] - 1
        ? begin[i] + coarsest.scale[i] * SIDE
        : Math.max(begin[i] + coarsest.scale[i] * SIDE, high[i]),
    );
    descend(tree.base, root, from, to, null);
  }
  return { tree, cells, failed, low, high };
}

const at = (node: Node): Triple => node.place;

/** The roots of what is held or has failed, each with those bricks below it that such ones lie in. */
function heldTree<Content>(
  layer: number,
  tree: Octree,
  slices: readonly Slice[],
  slots: SlotTable<Content>,
): Map<number, Node> {
  let finer = new Map<number, Node>();
  for (let level = 0; level <= tree.base; level++) {
    const nodes = new Map<number, Node>();
    const node = (place: Triple): Node => {
      const number = volumeNumber(...place);
      const known = nodes.get(number) ?? { place, children: new Map() };
      nodes.set(number, known);
      return known;
    };
    const slice = slices[level] ?? [];
    const known = [slots.inPlane(layer, level, slice), slots.failedInPlane(layer, level, slice)];
    for (const { key } of known.flatMap((keys) => [...keys])) {
      if (key.length === 6) node([key[3], key[4], key[5]]);
    }
    for (const [number, child] of finer) {
      node(parentOf(tree, level - 1, child.place)).children.set(number, child);
    }
    finer = nodes;
  }
  return finer;
}

function* placesOf(first: Triple, stop: Triple): Iterable<Triple> {
  for (let z = first[0]; z < stop[0]; z++) {
    for (let y = first[1]; y < stop[1]; y++)
      for (let x = first[2]; x < stop[2]; x++) yield [z, y, x];
  }
}

/** Places of one level, so that none lies before one that comes earlier. */
function inOrder(
  places: Iterable<Triple>,
  sight: VolumeSight,
  edge: Triple,
  scale: Triple,
): readonly Triple[] {
  const forward = sight.axes[2];
  const isFlat = !Number.isFinite(sight.distance);
  const eye = each((i) =>
    isFlat ? 0 : Math.floor((-sight.distance * forward[i] - edge[i]) / (scale[i] * SIDE)),
  );
  const steps = (place: Triple) =>
    place.reduce((sum, one, i) => {
      const along = one - (eye[i] ?? 0);
      return sum + (isFlat ? Math.sign(forward[i] ?? 0) * along : Math.abs(along));
    }, 0);
  return [...places]
    .map((place) => ({ place, key: steps(place) }))
    .sort((a, b) => a.key - b.key)
    .map(({ place }) => place);
}

function clipped(
  low: Triple,
  high: Triple,
  clip: Box | null,
  relative: (world: Triple) => Triple,
): Box | null {
  return clip ? intersection(low, high, relative(clip[0]), relative(clip[1])) : [low, high];
}

function intersection(low: Triple, high: Triple, from: Triple, to: Triple): Box | null {
  const lower = each((i) => Math.max(low[i], from[i]));
  const upper = each((i) => Math.min(high[i], to[i]));
  return lower.every((value, i) => value < (upper[i] ?? value)) ? [lower, upper] : null;
}

/** The rectangle around a relative box on the canvas; null where it is beside it. */
function canvasArea(
  sight: VolumeSight,
  low: Triple,
  high: Triple,
): { readonly first: Pair; readonly stop: Pair } | null {
  const [width, height] = sight.size;
  let [x0, y0, x1, y1] = [width, height, 0, 0];
  let behind = 0;
  for (let corner = 0; corner < 8; corner++) {
    const point: Triple = [
      corner & 4 ? high[0] : low[0],
      corner & 2 ? high[1] : low[1],
      corner & 1 ? high[2] : low[2],
    ];
    const seen = project(sight, point);
    if (!seen) {
      behind += 1;
      continue;
    }
    x0 = Math.min(x0, seen[0]);
    y0 = Math.min(y0, seen[1]);
    x1 = Math.max(x1, seen[0]);
    y1 = Math.max(y1, seen[1]);
  }
  if (behind === 8) return null;
  if (behind > 0) [x0, y0, x1, y1] = [0, 0, width, height];
  const first: Pair = [Math.max(Math.floor(x0), 0), Math.max(Math.floor(y0), 0)];
  const stop: Pair = [Math.min(Math.ceil(x1), width), Math.min(Math.ceil(y1), height)];
  return first[0] < stop[0] && first[1] < stop[1] ? { first, stop } : null;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}
