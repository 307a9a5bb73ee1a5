/**
 * Which bricks of a layer to draw where. Pure.
 *
 * Every device pixel is drawn by exactly one brick: the first that is held of the target level, the finer
 * levels from near to far, the coarser levels from near to far. The list is in that order, so a depth
 * test that lets the first fragment win does the rest.
 */

import {
  allBricks,
  baseLevel,
  brickRange,
  cellRect,
  deviceRect,
  dualCell,
  extentOf,
  isEmpty,
  isMinified,
  isWhole,
  levelPosition,
  NEAREST,
  type Plane,
  planeOf,
  type Rect,
  type Sight,
  targetLevel,
} from "../geometry.ts";
import { Region } from "../region.ts";
import type { Slot, SlotTable } from "../slots.ts";
import { planeName, type Slice } from "../stream/brick_key.ts";
import type { Camera, Layer, Pair } from "../types.ts";

export type DrawnBrick<Content> = {
  readonly slot: Slot<Content>;
  /** The device pixels that it draws, where no brick before it does. */
  readonly rect: Rect;
  /** Brick-local pixel coordinates [y, x] of the centre of the first device pixel of `rect` … */
  readonly start: Pair;
  /** … and how far the next device pixel is. */
  readonly step: Pair;
  readonly linear: boolean;
  /** Coarser than the target. */
  readonly coarser: boolean;
  /** Right, lower and lower right neighbours, for interpolation across borders. */
  readonly neighbours: readonly [
    right: Slot<Content> | null,
    lower: Slot<Content> | null,
    diagonal: Slot<Content> | null,
  ];
  /** Of labels that are drawn as outlines: what these look at beyond the brick's borders. */
  readonly around: Around<Content> | null;
};

export type Around<Content> = {
  /** How far an outline looks, in device pixels. */
  readonly reach: number;
  readonly left: Slot<Content> | null;
  readonly right: Slot<Content> | null;
  readonly upper: Slot<Content> | null;
  readonly lower: Slot<Content> | null;
};

export type DrawList<Content> = {
  readonly layer: number;
  /** The device pixels inside the layer's extent. */
  readonly bounds: Rect;
  readonly bricks: readonly DrawnBrick<Content>[];
  /** Whether bricks of the base, which come first, are interpolated. */
  readonly baseIsLinear: boolean;
  /** Places of the level that is aimed at which cannot be had. */
  readonly failed: readonly Rect[];
  /** Places of the base that cannot be had: marked where there is nothing else. */
  readonly failedBase: readonly Rect[];
  /** Device pixels inside the extent that nothing held covers. */
  readonly uncovered: number;
};

const EMPTY: Rect = { x0: 0, y0: 0, x1: 0, y1: 0 };

/**
 * `slices` has the slice of every level (null: outside, nothing is shown). `aim` is the level that the
 * server aims at, where memory made it coarser than the target. `contour`: device pixels of the outlines of
 * labels; 0: they are filled.
 */
export function drawList<Content>(
  layer: Layer,
  displayed: Camera["displayed"],
  slices: readonly Slice[] | null,
  sight: Sight,
  slots: SlotTable<Content>,
  aim = 0,
  contour = 0,
): DrawList<Content> {
  const bounds = slices ? boundsOf(layer, displayed, sight) : EMPTY;
  const bricks: DrawnBrick<Content>[] = [];
  const left = new Region(bounds);
  const target = targetLevel(layer, displayed, sight.zoom);
  for (const level of drawOrder(target, layer.levels.length)) {
    if (left.isEmpty) break;
    const plane = planeOf(layer, level, displayed);
    const slice = slices?.[level];
    if (!plane || !slice) continue;
    const linear = layer.kind !== "labels" && isMinified(plane, sight.zoom);
    const name = planeName(layer.id, level, slice);
    for (const slot of heldWithin(layer.id, level, slice, plane, sight, bounds, slots)) {
      const [row, column] = [slot.key[3], slot.key[4]];
      const cell = linear
        ? dualCell(
            slots.at(name, row, column - 1) !== null,
            slots.at(name, row - 1, column) !== null,
          )
        : NEAREST;
      const rect = cellRect(plane, row, column, cell, sight, bounds);
      if (!left.subtract(rect)) continue;
      const local = localPosition(plane, sight, rect, row, column);
      bricks.push({
        slot,
        rect,
        ...local,
        linear,
        coarser: level > target,
        neighbours: linear
          ? [
              slots.at(name, row, column + 1),
              slots.at(name, row + 1, column),
              slots.at(name, row + 1, column + 1),
            ]
          : [null, null, null],
        around:
          contour > 0 && layer.kind === "labels"
            ? {
                reach: contour,
                left: slots.at(name, row, column - 1),
                right: slots.at(name, row, column + 1),
                upper: slots.at(name, row - 1, column),
                lower: slots.at(name, row + 1, column),
              }
            : null,
      });
    }
  }
  const marks = (level: number): Rect[] => {
    const plane = planeOf(layer, level, displayed);
    const slice = slices?.[level];
    if (!plane || !slice) return [];
    return [...slots.failedInPlane(layer.id, level, slice)]
      .map(({ key }) => cellRect(plane, key[3], key[4], NEAREST, sight, bounds))
      .filter((rect) => !isEmpty(rect));
  };
  const base = planeOf(layer, baseLevel(layer, displayed), displayed);
  const aimed = Math.min(Math.max(target, aim), layer.levels.length - 1);
  return {
    layer: layer.id,
    bounds,
    bricks,
    baseIsLinear: layer.kind !== "labels" && base !== null && isMinified(base, sight.zoom),
    failed: marks(aimed),
    failedBase: marks(baseLevel(layer, displayed)),
    uncovered: left.area,
  };
}

/** The device pixels whose centres are inside the layer's finest level. */
export function boundsOf(layer: Layer, displayed: Camera["displayed"], sight: Sight): Rect {
  const extent = extentOf(layer, displayed);
  return extent ? deviceRect(sight, extent.low, extent.high) : EMPTY;
}

/** Whether the base of these slices is there, or has failed: what is promised to stay. */
export function hasBase<Content>(
  layer: Layer,
  displayed: Camera["displayed"],
  slices: readonly Slice[],
  sight: Sight,
  slots: SlotTable<Content>,
): boolean {
  const level = baseLevel(layer, displayed);
  const plane = planeOf(layer, level, displayed);
  const slice = slices[level];
  if (!plane || !slice) return true;
  const name = planeName(layer.id, level, slice);
  const bounds = boundsOf(layer, displayed, sight);
  const whole = isWhole(plane);
  const range = whole ? allBricks(plane) : brickRange(plane, sight, bounds);
  for (let row = range.y0; row < range.y1; row++) {
    for (let column = range.x0; column < range.x1; column++) {
      if (slots.at(name, row, column) || slots.hasFailed(name, row, column)) continue;
      if (whole || !isEmpty(cellRect(plane, row, column, NEAREST, sight, bounds))) return false;
    }
  }
  return true;
}

/** Target, finer from near to far, coarser from near to far. */
export function drawOrder(target: number, count: number): number[] {
  const order: number[] = [];
  for (let level = target; level >= 0; level--) order.push(level);
  for (let level = target + 1; level < count; level++) order.push(level);
  return order;
}

/** Held bricks of a plane that may be seen, found by whichever is fewer: those held or those in sight. */
function* heldWithin<Content>(
  layer: number,
  level: number,
  slice: Slice,
  plane: Plane,
  sight: Sight,
  bounds: Rect,
  slots: SlotTable<Content>,
): Iterable<Slot<Content>> {
  const range = brickRange(plane, sight, bounds);
  const held = slots.countInPlane(layer, level, slice);
  if (held === 0) return;
  if ((range.x1 - range.x0) * (range.y1 - range.y0) > held) {
    for (const slot of slots.inPlane(layer, level, slice)) {
      const [row, column] = [slot.key[3], slot.key[4]];
      if (row >= range.y0 && row < range.y1 && column >= range.x0 && column < range.x1) yield slot;
    }
    return;
  }
  const name = planeName(layer, level, slice);
  for (let row = range.y0; row < range.y1; row++) {
    for (let column = range.x0; column < range.x1; column++) {
      const slot = slots.at(name, row, column);
      if (slot) yield slot;
    }
  }
}

/** Small numbers for the GPU: what would overflow float32 is subtracted here, in doubles. */
function localPosition(
  plane: Plane,
  sight: Sight,
  rect: Rect,
  row: number,
  column: number,
): { readonly start: Pair; readonly step: Pair } {
  const [y, x] = levelPosition(plane, sight, rect.x0, rect.y0);
  const origin: Pair = [row * plane.brick, column * plane.brick];
  return {
    start: [y - origin[0], x - origin[1]],
    step: [1 / (sight.zoom * plane.scale[0]), 1 / (sight.zoom * plane.scale[1])],
  };
}
