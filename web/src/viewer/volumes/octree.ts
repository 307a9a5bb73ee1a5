/** The bricks of all levels of a volume as one tree, as the server sees it (protocol/VIEW.md). Pure. */

import type { Layer, Triple, VolumeView } from "../types.ts";

/** Voxels of a whole brick of a volume along each axis. */
export const SIDE = 64;
/** Bricks, at most, of a base that is always held whole. */
const WHOLE_BASE = 16;
/** Bricks: borders of two levels that are nearer to each other are the same. */
const ROUNDING = 1e-7;
const LEVEL_TOLERANCE = 1e-6;

export type TreeLevel = {
  readonly shape: Triple;
  readonly scale: Triple;
  /** World position of the outer edge of the first voxel. */
  readonly edge: Triple;
  readonly bricks: Triple;
  /** The size of a voxel along the axes where finer levels have smaller ones, else 0. */
  readonly voxel: Triple;
};

export type Octree = {
  /** From the finest to the base. */
  readonly levels: readonly TreeLevel[];
  readonly base: number;
  readonly low: Triple;
  readonly high: Triple;
};

export const each = (make: (axis: 0 | 1 | 2) => number): Triple => [make(0), make(1), make(2)];

/** The layer with all levels that it has in 3D. */
export function inVolume(layer: Layer): Layer {
  if (!layer.deeper) return layer;
  const known = deep.get(layer) ?? { ...layer, levels: [...layer.levels, ...layer.deeper] };
  deep.set(layer, known);
  return known;
}

const deep = new WeakMap<Layer, Layer>();
const trees = new WeakMap<Layer, Map<string, Octree | null>>();

/** Null: the layer does not have these axes. */
export function octreeOf(layer: Layer, displayed: VolumeView["displayed"]): Octree | null {
  const known = trees.get(layer) ?? new Map<string, Octree | null>();
  trees.set(layer, known);
  const name = displayed.join("\n");
  let tree = known.get(name);
  if (tree === undefined) {
    tree = makeOctree(layer, displayed);
    known.set(name, tree);
  }
  return tree;
}

function makeOctree(layer: Layer, displayed: VolumeView["displayed"]): Octree | null {
  const where = displayed.map((name) => layer.axes.findIndex((axis) => axis.name === name));
  if (where.some((axis) => axis < 0)) return null;
  const pick = (values: readonly number[]): Triple => each((i) => values[where[i] ?? 0] ?? 1);
  const all = inVolume(layer).levels.map(({ shape, scale, translation }) => ({
    shape: pick(shape),
    scale: pick(scale),
    translation: pick(translation),
  }));
  let base = 0;
  let smallest = Number.POSITIVE_INFINITY;
  for (const [level, { shape }] of all.entries()) {
    const voxels = shape[0] * shape[1] * shape[2];
    if (voxels <= smallest) [base, smallest] = [level, voxels];
  }
  let finest: Triple = all[0]?.scale ?? [1, 1, 1];
  const levels = all.slice(0, base + 1).map(({ shape, scale, translation }): TreeLevel => {
    const before = finest;
    finest = each((i) => Math.min(finest[i], scale[i]));
    return {
      shape,
      scale,
      edge: each((i) => translation[i] - scale[i] / 2),
      bricks: each((i) => Math.ceil(shape[i] / SIDE)),
      voxel: each((i) => (scale[i] > before[i] * (1 + LEVEL_TOLERANCE) ? scale[i] : 0)),
    };
  });
  const first = levels[0];
  if (!first) return null;
  const high = each((i) => first.edge[i] + first.scale[i] * first.shape[i]);
  return { levels, base, low: first.edge, high };
}

/** The first place, along an axis of the next finer level, of the children of a brick. */
export function firstChild(tree: Octree, level: number, axis: 0 | 1 | 2, place: number): number {
  const [own, finer] = [tree.levels[level], tree.levels[level - 1]];
  if (!own || !finer || place <= 0) return 0;
  const most = finer.bricks[axis];
  if (place >= own.bricks[axis]) return most;
  const side = finer.scale[axis] * SIDE;
  const offset = (own.edge[axis] - finer.edge[axis]) / side;
  const begin = offset + (own.scale[axis] / finer.scale[axis]) * place - (0.5 + ROUNDING);
  return Math.min(Math.max(Math.ceil(begin), 0), most);
}

/** First and last-plus-one place of the children of a brick, along each axis. */
export function childrenOf(
  tree: Octree,
  level: number,
  place: Triple,
): { readonly first: Triple; readonly stop: Triple } {
  const first = each((i) => firstChild(tree, level, i, place[i]));
  return { first, stop: each((i) => Math.max(firstChild(tree, level, i, place[i] + 1), first[i])) };
}

/** The place of the brick of the next coarser level that a brick is a child of. */
export function parentOf(tree: Octree, level: number, place: Triple): Triple {
  const [own, coarser] = [tree.levels[level], tree.levels[level + 1]];
  if (!own || !coarser) return place;
  return each((i) => {
    const middle = own.edge[i] + own.scale[i] * SIDE * (place[i] + 0.5);
    const guess = Math.floor((middle - coarser.edge[i]) / (coarser.scale[i] * SIDE));
    let parent = Math.min(Math.max(guess, 0), coarser.bricks[i] - 1);
    while (parent > 0 && firstChild(tree, level + 1, i, parent) > place[i]) parent -= 1;
    while (
      parent < coarser.bricks[i] - 1 &&
      firstChild(tree, level + 1, i, parent + 1) <= place[i]
    ) {
      parent += 1;
    }
    return parent;
  });
}

/** Whether all roots are wanted and kept, as the server does. */
export function isWholeBase(tree: Octree): boolean {
  const bricks = tree.levels[tree.base]?.bricks ?? [1, 1, 1];
  return bricks[0] * bricks[1] * bricks[2] <= WHOLE_BASE;
}
