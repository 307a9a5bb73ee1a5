/** One 3D texture per brick of a volume, with its apron: a voxel more on each side. */

import type { Layer, Triple } from "../types.ts";
import { each } from "../volumes/octree.ts";
import { pieceBox, Shell, SIDES, type Values } from "../volumes/volume_shell.ts";
import { type Format, formatOf, overlay, SAMPLER_OF } from "./brick_texture.ts";
import type { SamplerKind } from "./shaders.ts";

/** How good a piece of the apron is: own last voxels; else how many levels coarser; 0: as it should be. */
const REPEATED = Number.POSITIVE_INFINITY;

export class VolumeTexture {
  /** Null as long as all voxels, also those of the apron, are equal. */
  texture: WebGLTexture | null = null;
  readonly shape: Triple;
  readonly sampler: SamplerKind;
  readonly shell: Shell;
  /** The value of all voxels of a uniform brick: one number per component. */
  readonly value: Values;
  /** Smallest and largest value of the brick and its apron. */
  low: number;
  high: number;
  /** Pieces of the apron, by their place in SIDES, that may become better, and how good they are. */
  readonly unfinished = new Map<number, number>(SIDES.map((_, side) => [side, REPEATED]));
  readonly #format: Format;

  constructor(
    gl: WebGL2RenderingContext,
    layer: Layer,
    shape: Triple,
    range: readonly [number, number],
    payload: Uint8Array,
  ) {
    const components = layer.dtype === "uint64" ? 2 : layer.samples;
    const values = overlay(layer.dtype, payload);
    this.shape = shape;
    this.sampler = SAMPLER_OF[layer.dtype];
    this.#format = formatOf(gl, layer.dtype, layer.samples);
    this.shell = new Shell(values, shape, components);
    this.value = values.slice(0, components);
    [this.low, this.high] = range;
    if (!this.shell.uniform) this.#create(gl, values);
  }

  /** Put a piece of the apron in its place. */
  setPiece(gl: WebGL2RenderingContext, side: number, values: Values, quality: number): void {
    if (quality === 0) this.unfinished.delete(side);
    else this.unfinished.set(side, quality);
    const { components } = this.shell;
    let differs = false;
    for (let i = 0; i < values.length; i++) {
      const one = values[i] ?? 0;
      if (one !== this.value[i % components]) differs = true;
      if (one < this.low) this.low = one;
      if (one > this.high) this.high = one;
    }
    if (!this.texture) {
      if (!differs) return;
      this.#create(gl, this.#repeated(this.shape));
    }
    const place = SIDES[side];
    if (!place) return;
    const { start, size } = pieceBox(this.shape, place);
    this.#put(
      gl,
      each((i) => start[i] + 1),
      size,
      values,
    );
  }

  delete(gl: WebGL2RenderingContext): void {
    if (this.texture) gl.deleteTexture(this.texture);
    this.texture = null;
  }

  #create(gl: WebGL2RenderingContext, values: Values): void {
    const [depth, rows, columns] = this.shape;
    this.texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.texStorage3D(gl.TEXTURE_3D, 1, this.#format.internal, columns + 2, rows + 2, depth + 2);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    this.#put(gl, [1, 1, 1], this.shape, values);
    if (!this.shell.uniform) return;
    for (const side of SIDES) {
      const { start, size } = pieceBox(this.shape, side);
      this.#put(
        gl,
        each((i) => start[i] + 1),
        size,
        this.#repeated(size),
      );
    }
  }

  #put(gl: WebGL2RenderingContext, start: Triple, size: Triple, values: Values): void {
    const { format, type } = this.#format;
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, this.texture);
    gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
    const [z, y, x] = start;
    const [depth, rows, columns] = size;
    gl.texSubImage3D(gl.TEXTURE_3D, 0, x, y, z, columns, rows, depth, format, type, values);
  }

  /** The one value, for so many voxels. */
  #repeated(size: Triple): Values {
    const { components } = this.shell;
    const values = this.shell.empty(size[0] * size[1] * size[2]);
    if (components === 1) values.fill(this.value[0] ?? 0);
    else for (let i = 0; i < values.length; i++) values[i] = this.value[i % components] ?? 0;
    return values;
  }
}

/** Bytes that a brick takes, apron and all; one whose voxels are equal counts as if it had them. */
export function volumeBytes(layer: Layer, shape: Triple, bytesPerValue: number): number {
  const voxels = (shape[0] + 2) * (shape[1] + 2) * (shape[2] + 2);
  return voxels * layer.samples * bytesPerValue;
}
