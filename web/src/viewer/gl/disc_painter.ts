/** Draws discs: one instance each, over what is there. */

import { type Discs, discsWithin, STRIDE } from "../points/discs.ts";
import type { LayerSettings, Pair } from "../types.ts";
import { Program } from "./program.ts";

const VERTEX = `#version 300 es
layout(location = 0) in vec3 a_disc;
layout(location = 1) in vec4 a_colour;
uniform vec2 u_size;
flat out vec3 disc;
flat out vec3 tint;
void main() {
  disc = a_disc;
  tint = a_colour.rgb;
  vec2 corner = vec2(gl_VertexID & 1, gl_VertexID >> 1) * 2.0 - 1.0;
  vec2 at = a_disc.xy + corner * (max(a_disc.z, 0.5) + 0.51);
  gl_Position = vec4(at.x / u_size.x * 2.0 - 1.0, 1.0 - at.y / u_size.y * 2.0, 0.0, 1.0);
}`;

/** One that is smaller than a pixel is drawn as large as a pixel, and the fainter. */
const FRAGMENT = `#version 300 es
precision highp float;
uniform vec2 u_size;
uniform float u_opacity;
flat in vec3 disc;
flat in vec3 tint;
out vec4 colour;
void main() {
  vec2 at = vec2(gl_FragCoord.x, u_size.y - gl_FragCoord.y);
  float cover = clamp(max(disc.z, 0.5) + 0.5 - distance(at, disc.xy), 0.0, 1.0);
  float faint = min(disc.z * 2.0, 1.0);
  float alpha = cover * u_opacity * faint * faint;
  if (alpha <= 0.0) discard;
  colour = vec4(tint * alpha, alpha);
}`;

export class DiscPainter {
  readonly #gl: WebGL2RenderingContext;
  readonly #program: Program;
  readonly #array: WebGLVertexArrayObject;
  readonly #buffer: WebGLBuffer;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
    this.#program = new Program(gl, VERTEX, FRAGMENT);
    this.#array = gl.createVertexArray();
    this.#buffer = gl.createBuffer();
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    gl.enableVertexAttribArray(0);
    gl.vertexAttribPointer(0, 3, gl.FLOAT, false, STRIDE * 4, 0);
    gl.vertexAttribDivisor(0, 1);
    gl.enableVertexAttribArray(1);
    gl.vertexAttribPointer(1, 4, gl.UNSIGNED_BYTE, true, STRIDE * 4, 12);
    gl.vertexAttribDivisor(1, 1);
    gl.bindVertexArray(null);
  }

  /** `rows`: what is nowhere in these rows of pixels, counted from the top, needs not be drawn. */
  paint(size: Pair, settings: LayerSettings, discs: Discs, rows: Pair = [0, size[1]]): void {
    const gl = this.#gl;
    const some = rows[1] - rows[0] < size[1];
    const data = some ? discsWithin(discs, rows) : discs.data.subarray(0, discs.count * STRIDE);
    const count = data.length / STRIDE;
    if (count === 0) return;
    gl.viewport(0, 0, size[0], size[1]);
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendEquation(gl.FUNC_ADD);
    gl.blendFunc(gl.ONE, settings.blending === "additive" ? gl.ONE : gl.ONE_MINUS_SRC_ALPHA);
    this.#program.use();
    gl.uniform2f(this.#program.at("u_size"), size[0], size[1]);
    gl.uniform1f(this.#program.at("u_opacity"), settings.opacity);
    gl.bindVertexArray(this.#array);
    gl.bindBuffer(gl.ARRAY_BUFFER, this.#buffer);
    gl.bufferData(gl.ARRAY_BUFFER, data, gl.STREAM_DRAW);
    gl.drawArraysInstanced(gl.TRIANGLE_STRIP, 0, 4, count);
    gl.bindVertexArray(null);
  }
}
