/** One texture per brick, of exactly its size and type: nothing is converted, so nothing is lost. */

import { ProtocolError } from "../stream/frames.ts";
import { BYTES_PER_VALUE } from "../stream/server_messages.ts";
import type { Layer, WireType } from "../types.ts";
import type { Values } from "../volumes/volume_shell.ts";
import type { SamplerKind } from "./shaders.ts";

export type BrickTexture = {
  readonly texture: WebGLTexture;
  readonly rows: number;
  readonly columns: number;
  readonly sampler: SamplerKind;
};

export const SAMPLER_OF: Readonly<Record<WireType, SamplerKind>> = {
  uint8: "unsigned",
  uint16: "unsigned",
  uint32: "unsigned",
  uint64: "unsigned",
  int8: "signed",
  int16: "signed",
  int32: "signed",
  float32: "float",
};

export type Format = { readonly internal: number; readonly format: number; readonly type: number };

export function formatOf(gl: WebGL2RenderingContext, dtype: WireType, samples: 1 | 3 | 4): Format {
  const at = samples === 1 ? 0 : samples === 3 ? 1 : 2;
  const whole = [gl.RED_INTEGER, gl.RGB_INTEGER, gl.RGBA_INTEGER] as const;
  const make = (internal: readonly [number, number, number], type: number): Format => ({
    internal: internal[at],
    format: whole[at],
    type,
  });
  switch (dtype) {
    case "uint8":
      return make([gl.R8UI, gl.RGB8UI, gl.RGBA8UI], gl.UNSIGNED_BYTE);
    case "int8":
      return make([gl.R8I, gl.RGB8I, gl.RGBA8I], gl.BYTE);
    case "uint16":
      return make([gl.R16UI, gl.RGB16UI, gl.RGBA16UI], gl.UNSIGNED_SHORT);
    case "int16":
      return make([gl.R16I, gl.RGB16I, gl.RGBA16I], gl.SHORT);
    case "uint32":
      return make([gl.R32UI, gl.RGB32UI, gl.RGBA32UI], gl.UNSIGNED_INT);
    case "int32":
      return make([gl.R32I, gl.RGB32I, gl.RGBA32I], gl.INT);
    case "float32": {
      const { internal, type } = make([gl.R32F, gl.RGB32F, gl.RGBA32F], gl.FLOAT);
      return { internal, format: ([gl.RED, gl.RGB, gl.RGBA] as const)[at], type };
    }
    case "uint64":
      // Low word, high word: the wire is little endian.
      return { internal: gl.RG32UI, format: gl.RG_INTEGER, type: gl.UNSIGNED_INT };
  }
}

/** Bytes that a brick of this layer must have. */
export function brickBytes(layer: Layer, rows: number, columns: number): number {
  return rows * columns * layer.samples * BYTES_PER_VALUE[layer.dtype];
}

export function createBrickTexture(
  gl: WebGL2RenderingContext,
  layer: Layer,
  rows: number,
  columns: number,
  payload: Uint8Array,
): BrickTexture {
  if (payload.length !== brickBytes(layer, rows, columns)) {
    throw new ProtocolError("A brick does not have the bytes that its shape needs.");
  }
  const { internal, format, type } = formatOf(gl, layer.dtype, layer.samples);
  const texture = gl.createTexture();
  gl.activeTexture(gl.TEXTURE0);
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texStorage2D(gl.TEXTURE_2D, 1, internal, columns, rows);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_S, gl.CLAMP_TO_EDGE);
  gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_WRAP_T, gl.CLAMP_TO_EDGE);
  gl.pixelStorei(gl.UNPACK_ALIGNMENT, 1);
  const values = overlay(layer.dtype, payload);
  gl.texSubImage2D(gl.TEXTURE_2D, 0, 0, 0, columns, rows, format, type, values);
  return { texture, rows, columns, sampler: SAMPLER_OF[layer.dtype] };
}

/** The same bytes as the typed array that GL asks for with this type. */
export function overlay(dtype: WireType, payload: Uint8Array): Values {
  const size = BYTES_PER_VALUE[dtype];
  const bytes = payload.byteOffset % size === 0 ? payload : payload.slice();
  const [buffer, offset, length] = [bytes.buffer, bytes.byteOffset, bytes.byteLength];
  switch (dtype) {
    case "uint8":
      return bytes;
    case "int8":
      return new Int8Array(buffer, offset, length);
    case "uint16":
      return new Uint16Array(buffer, offset, length / 2);
    case "int16":
      return new Int16Array(buffer, offset, length / 2);
    case "int32":
      return new Int32Array(buffer, offset, length / 4);
    case "float32":
      return new Float32Array(buffer, offset, length / 4);
    case "uint32":
    case "uint64":
      return new Uint32Array(buffer, offset, length / 4);
  }
}
