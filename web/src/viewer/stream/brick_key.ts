/** The name of a brick: [layer, level, slice, row, column], of a volume [layer, level, slice, depth, row, column]. */

/** Pixel of a level on each axis that is not displayed, in the layer's axis order. */
export type Slice = readonly number[];

export type SliceKey = readonly [
  layer: number,
  level: number,
  slice: Slice,
  row: number,
  column: number,
];
export type VolumeKey = readonly [
  layer: number,
  level: number,
  slice: Slice,
  depth: number,
  row: number,
  column: number,
];
export type BrickKey = SliceKey | VolumeKey;
/** The name of a cell of points. */
export type PointsKey = readonly [layer: number, level: number, cell: readonly number[]];
export type WireKey = BrickKey | PointsKey;

export function isVolumeKey(key: BrickKey): key is VolumeKey {
  return key.length === 6;
}

export function isPointsKey(key: WireKey): key is PointsKey {
  return key.length === 3;
}

/** All bricks of one level of one layer at one slice. */
export function planeName(layer: number, level: number, slice: Slice): string {
  return `${layer}/${level}/${slice.join(",")}`;
}

/** A brick within its plane as one number: planes have fewer than 2^26 columns of bricks. */
export function brickNumber(row: number, column: number): number {
  return row * 0x4000000 + column;
}

/** The same of a volume: a level has fewer than 2^17 bricks along each axis. */
export function volumeNumber(depth: number, row: number, column: number): number {
  return (depth * 0x20000 + row) * 0x20000 + column;
}

export function keyNumber(key: BrickKey): number {
  return isVolumeKey(key) ? volumeNumber(key[3], key[4], key[5]) : brickNumber(key[3], key[4]);
}
