/** Marks places of volumes that cannot be had with the same stripes as those of slices. */

import type { Box, Pair } from "../types.ts";
import { boxFaces } from "../volumes/box_faces.ts";
import type { VolumeSight } from "../volumes/volume_camera.ts";
import { setBlending } from "./painter.ts";
import { Program } from "./program.ts";
import { HATCH, RECTANGLE } from "./shaders.ts";

/** Four corners, and one more for each that the near plane cuts off. */
const MOST_CORNERS = 6;

const POLYGON = `#version 300 es
uniform vec2 u_corners[${MOST_CORNERS}];
void main() { gl_Position = vec4(u_corners[gl_VertexID], 0.0, 1.0); }`;

const COPY = `#version 300 es
precision highp float;
uniform highp sampler2D u_sum;
out vec4 colour;
void main() { colour = texelFetch(u_sum, ivec2(gl_FragCoord.xy), 0); }`;

/** Where marks are gathered, as large as the canvas, and where they are put. */
export type MarkTargets = {
  readonly frame: WebGLFramebuffer | null;
  readonly sum: WebGLTexture | null;
  /** Null: the canvas. */
  readonly target: WebGLFramebuffer | null;
};

export class MarkPainter {
  readonly #gl: WebGL2RenderingContext;
  #polygon: Program | null = null;
  #copy: Program | null = null;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
  }

  /** `boxes` are relative to the camera's centre. Where they lie behind each other there is one mark. */
  paint(
    { frame, sum, target }: MarkTargets,
    size: Pair,
    sight: VolumeSight,
    boxes: readonly Box[],
  ): void {
    if (boxes.length === 0) return;
    const gl = this.#gl;
    this.#polygon ??= new Program(gl, POLYGON, HATCH);
    this.#copy ??= new Program(gl, RECTANGLE, COPY);
    const [polygon, copy] = [this.#polygon, this.#copy];
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.viewport(0, 0, size[0], size[1]);
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    polygon.use();
    for (const corners of boxes.flatMap((box) => boxFaces(sight, box))) {
      const places = corners.flatMap(([x, y]) => [(x / size[0]) * 2 - 1, 1 - (y / size[1]) * 2]);
      gl.uniform2fv(polygon.at("u_corners[0]"), places);
      gl.drawArrays(gl.TRIANGLE_FAN, 0, corners.length);
    }
    gl.bindFramebuffer(gl.FRAMEBUFFER, target);
    gl.enable(gl.BLEND);
    setBlending(gl, "translucent");
    copy.use();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, sum);
    gl.uniform1i(copy.at("u_sum"), 0);
    gl.uniform4f(copy.at("u_rect"), -1, -1, 1, 1);
    gl.uniform1f(copy.at("u_depth"), 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }
}
