/** Arrays that stay where they are: their parts are fetched when they are asked for. */

export class LazyArray {
  /** A remote of what serves the parts. */
  readonly source: object;
  readonly dtype: string;
  readonly shape: readonly number[];
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
}
