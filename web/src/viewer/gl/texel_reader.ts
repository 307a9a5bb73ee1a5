/** Reads single values back from brick textures. */

import type { Triple, WireType } from "../types.ts";
import type { Values } from "../volumes/volume_shell.ts";
import type { BrickTexture } from "./brick_texture.ts";
import { Program } from "./program.ts";
import { RECTANGLE, texelShader, voxelShader } from "./shaders.ts";
import type { VolumeTexture } from "./volume_texture.ts";

export class TexelReader {
  readonly #gl: WebGL2RenderingContext;
  readonly #programs = new Map<string, Program>();
  #frame: WebGLFramebuffer | null = null;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
  }

  /** The four words of a texel. A pass of one pixel, since not every format can be read directly. */
  read(brick: BrickTexture, row: number, column: number): Uint32Array {
    const gl = this.#gl;
    const program = this.#program(`texel ${brick.sampler}`, () => texelShader(brick.sampler));
    return this.#pass(program, gl.TEXTURE_2D, brick.texture, () =>
      gl.uniform2i(program.at("u_at"), column, row),
    );
  }

  /** The same for a voxel of a brick of a volume. */
  readVoxel(brick: VolumeTexture, [depth, row, column]: Triple): Uint32Array {
    const { sampler, texture, value } = brick;
    if (!texture) return wordsOf(value);
    const gl = this.#gl;
    const program = this.#program(`voxel ${sampler}`, () => voxelShader(sampler));
    return this.#pass(program, gl.TEXTURE_3D, texture, () =>
      gl.uniform3i(program.at("u_at"), column, row, depth),
    );
  }

  #pass(program: Program, kind: GLenum, texture: WebGLTexture, place: () => void): Uint32Array {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frameOfOnePixel());
    gl.viewport(0, 0, 1, 1);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    program.use();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(kind, texture);
    gl.uniform1i(program.at("u_main"), 0);
    place();
    gl.uniform4f(program.at("u_rect"), -1, -1, 1, 1);
    gl.uniform1f(program.at("u_depth"), 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    const words = new Uint32Array(4);
    gl.readPixels(0, 0, 1, 1, gl.RGBA_INTEGER, gl.UNSIGNED_INT, words);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    return words;
  }

  #program(name: string, source: () => string): Program {
    const held = this.#programs.get(name);
    if (held) return held;
    const program = new Program(this.#gl, RECTANGLE, source());
    this.#programs.set(name, program);
    return program;
  }

  #frameOfOnePixel(): WebGLFramebuffer {
    const gl = this.#gl;
    if (this.#frame) return this.#frame;
    this.#frame = gl.createFramebuffer();
    const pixel = gl.createRenderbuffer();
    gl.bindRenderbuffer(gl.RENDERBUFFER, pixel);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA32UI, 1, 1);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frame);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, pixel);
    return this.#frame;
  }
}

/** Components of a value as the words that a texel has. */
export function wordsOf(value: Values): Uint32Array {
  const words = new Uint32Array(4);
  const bits = value instanceof Float32Array ? new Uint32Array(value.slice().buffer) : value;
  for (let i = 0; i < Math.min(bits.length, 4); i++) words[i] = (bits[i] ?? 0) >>> 0;
  return words;
}

/** The words of a texel as text: all 64 bits of a label, the shortest decimal of a float. */
export function texelText(words: Uint32Array, dtype: WireType, samples: 1 | 3 | 4): string {
  if (dtype === "uint64") {
    return String((BigInt(words[1] ?? 0) << 32n) | BigInt(words[0] ?? 0));
  }
  const texts: string[] = [];
  for (let i = 0; i < samples; i++) texts.push(valueText(words[i] ?? 0, dtype));
  return texts.join(", ");
}

function valueText(word: number, dtype: WireType): string {
  if (dtype === "float32") {
    const value = new Float32Array(Uint32Array.of(word).buffer)[0] ?? Number.NaN;
    return Number.isNaN(value) ? "nan" : String(shortest(value));
  }
  return String(dtype.startsWith("int") ? word | 0 : word);
}

/** The number with the fewest digits that is the same float32. */
function shortest(value: number): number {
  for (let digits = 1; digits < 10; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return value;
}
