/** The name of a brick: [layer, level, slice, row, column]. */

/** Pixel of a level on each axis that is not displayed, in the layer's axis order. */
export type Slice = readonly number[];

export type BrickKey = readonly [
  layer: number,
  level: number,
  slice: Slice,
  row: number,
  column: number,
];

/** All bricks of one level of one layer at one slice. */
export function planeName(layer: number, level: number, slice: Slice): string {
  return `${layer}/${level}/${slice.join(",")}`;
}

/** A brick within its plane as one number: planes have fewer than 2^26 columns of bricks. */
export function brickNumber(row: number, column: number): number {
  return row * 0x4000000 + column;
}
