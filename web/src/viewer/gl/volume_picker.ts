/**
 * What a line of sight through a volume is about: one voxel, found brick by brick by the shader that draws them.
 *
 * Each brick on the line gets one pixel of a small target, in which the shader leaves what it found; from these
 * the voxel is chosen as the canvas chooses what it shows.
 */

import type { LayerSettings, Pair, Triple, VolumeView } from "../types.ts";
import { each, SIDE } from "../volumes/octree.ts";
import { combine, crossing, type Ray, rayAt, type VolumeSight } from "../volumes/volume_camera.ts";
import type { Cell } from "../volumes/volume_cells.ts";
import type { ColourTables } from "./colour_tables.ts";
import { colourKind } from "./painter.ts";
import { Program } from "./program.ts";
import { RECTANGLE } from "./shaders.ts";
import { texelText, wordsOf } from "./texel_reader.ts";
import type { PaintedVolume } from "./volume_painter.ts";
import { type MarchKind, marchShader } from "./volume_shaders.ts";
import type { VolumeTexture } from "./volume_texture.ts";
import { isEmpty, modeOf, setLayer, setRay, type Tone, toneOf } from "./volume_uniforms.ts";

export type PickedVoxel = {
  readonly cell: Cell<VolumeTexture>;
  /** Within its brick. */
  readonly voxel: Triple;
  /** In the world, relative to the camera's centre. */
  readonly place: Triple;
  /** Of an average: the mean. Else the value is that of the voxel. */
  readonly mean: number | null;
};

type Found = {
  readonly cell: Cell<VolumeTexture>;
  /** What decides between bricks: the value, or how much it adds. */
  readonly score: number;
  /** Of an average: the length that counts. Translucent: how much light passes the brick. */
  readonly more: number;
  readonly voxel: Triple;
  /** Between its borders, 0 to 1. */
  readonly inside: Triple;
};

/** Bricks that are looked at together. */
const TOGETHER = 64;

export class VolumePicker {
  readonly #gl: WebGL2RenderingContext;
  readonly #tables: ColourTables;
  readonly #programs = new Map<string, Program>();
  #frame: WebGLFramebuffer | null = null;

  constructor(gl: WebGL2RenderingContext, tables: ColourTables) {
    this.#gl = gl;
    this.#tables = tables;
  }

  /** `at`: [x, y] in device pixels. Null: the line meets nothing that is shown. */
  pick(
    size: Pair,
    volume: VolumeView,
    sight: VolumeSight,
    painted: PaintedVolume,
    at: Pair,
  ): PickedVoxel | null {
    const ray = rayAt(sight, at);
    const mode = modeOf(painted.layer, volume);
    const tone = toneOf(painted.layer, painted.settings, volume, size);
    const cells = painted.list.cells.filter(
      ({ slot, low, high }) =>
        crossing(ray, low, high) !== null &&
        !isEmpty(slot.content, mode, painted.settings, tone.limit),
    );
    const found = new Map<Cell<VolumeTexture>, Found>();
    for (const cell of cells) {
      if (cell.slot.content.texture) continue;
      const one = uniformFound(painted, mode, tone, sight, ray, cell);
      if (one) found.set(cell, one);
    }
    const marched = cells.filter((cell) => cell.slot.content.texture);
    for (let start = 0; start < marched.length; start += TOGETHER) {
      const some = marched.slice(start, start + TOGETHER);
      for (const one of this.#march(size, sight, painted, mode, tone, at, some)) {
        found.set(one.cell, one);
      }
    }
    const inOrder = cells.map((cell) => found.get(cell)).filter((one) => one !== undefined);
    const chosen = choose(inOrder, mode);
    if (!chosen) return null;
    const level = painted.list.tree.levels[chosen.cell.slot.key[1]];
    if (!level) return null;
    const exact = mode === "iso" || mode === "average";
    const place = each((i) => {
      const within = exact ? chosen.inside[i] - 0.5 : 0;
      const voxel = (chosen.cell.slot.key[3 + i] as number) * SIDE + chosen.voxel[i] + 0.5 + within;
      return level.edge[i] - sight.center[i] + level.scale[i] * voxel;
    });
    let mean: number | null = null;
    if (mode === "average") {
      const weight = inOrder.reduce((sum, one) => sum + one.more, 0);
      const total = inOrder.reduce((sum, one) => sum + one.score, 0);
      mean = tone.low + (tone.span * total) / weight;
    }
    return { cell: chosen.cell, voxel: chosen.voxel, place, mean };
  }

  /** What the shader finds in each of some bricks. */
  #march(
    size: Pair,
    sight: VolumeSight,
    { layer, settings, list }: PaintedVolume,
    mode: MarchKind,
    tone: Tone,
    at: Pair,
    cells: readonly Cell<VolumeTexture>[],
  ): readonly Found[] {
    const first = cells[0];
    if (!first) return [];
    const gl = this.#gl;
    const colour = colourKind(layer);
    const program = this.#program(first.slot.content.sampler, colour, mode);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target());
    gl.disable(gl.DEPTH_TEST);
    gl.disable(gl.BLEND);
    gl.clearBufferuiv(gl.COLOR, 0, [0, 0, 0, 0]);
    program.use();
    setLayer(gl, program, this.#tables, size, 1, layer, settings, tone);
    gl.uniform2f(program.at("u_pointed"), at[0], size[1] - at[1]);
    gl.uniform4f(program.at("u_rect"), -1, -1, 1, 1);
    gl.uniform1f(program.at("u_depth"), 0);
    gl.uniform1i(program.at("u_volume"), 0);
    for (const [place, cell] of cells.entries()) {
      const { content } = cell.slot;
      gl.viewport(place, 0, 1, 1);
      gl.activeTexture(gl.TEXTURE0);
      gl.bindTexture(gl.TEXTURE_3D, content.texture);
      const [depth, rows, columns] = content.shape;
      gl.uniform3i(program.at("u_size"), columns, rows, depth);
      setRay(gl, program, sight, list, cell);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
    const words = new Uint32Array(4 * cells.length);
    gl.readPixels(0, 0, cells.length, 1, gl.RGBA_INTEGER, gl.UNSIGNED_INT, words);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    const floats = new Float32Array(words.buffer);
    return cells.flatMap((cell, i) => {
      const [voxel, inside] = [words[4 * i + 2] ?? 0, words[4 * i + 3] ?? 0];
      if (voxel >>> 31 === 0) return [];
      return {
        cell,
        score: floats[4 * i] ?? 0,
        more: floats[4 * i + 1] ?? 0,
        voxel: [(voxel >>> 16) & 0xff, (voxel >>> 8) & 0xff, voxel & 0xff] satisfies Triple,
        inside: each((axis) => ((inside >>> (10 * (2 - axis))) & 0x3ff) / 1023),
      };
    });
  }

  #program(
    sampler: VolumeTexture["sampler"],
    colour: "scalar" | "rgb" | "labels",
    mode: MarchKind,
  ): Program {
    const name = `${sampler} ${colour} ${mode}`;
    const held = this.#programs.get(name);
    if (held) return held;
    const program = new Program(this.#gl, RECTANGLE, marchShader(sampler, colour, mode, true));
    this.#programs.set(name, program);
    return program;
  }

  #target(): WebGLFramebuffer {
    const gl = this.#gl;
    if (this.#frame) return this.#frame;
    this.#frame = gl.createFramebuffer();
    const pixels = gl.createRenderbuffer();
    gl.bindRenderbuffer(gl.RENDERBUFFER, pixels);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA32UI, TOGETHER, 1);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frame);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.RENDERBUFFER, pixels);
    return this.#frame;
  }
}

/** The one that the canvas is about, of what was found from front to back. */
function choose(found: readonly Found[], mode: MarchKind): Found | null {
  const [first] = found;
  if (!first || mode === "iso" || mode === "labels" || mode === "average") return first ?? null;
  let best: Found | null = null;
  let most = Number.NEGATIVE_INFINITY;
  let passing = 1;
  for (const one of found) {
    const worth =
      mode === "translucent" ? passing * one.score : mode === "minip" ? -one.score : one.score;
    if (worth > most) [best, most] = [one, worth];
    if (mode === "translucent") passing *= one.more;
  }
  return best;
}

/** The same as the shader for a brick whose voxels are all equal: the first of them, where there is something. */
function uniformFound(
  { layer, settings, list }: PaintedVolume,
  mode: MarchKind,
  tone: Tone,
  sight: VolumeSight,
  ray: Ray,
  cell: Cell<VolumeTexture>,
): Found | null {
  const { content, key } = cell.slot;
  const level = list.tree.levels[key[1]];
  const part = crossing(ray, cell.low, cell.high);
  if (!level || !part) return null;
  const entry = combine(ray.origin, part[0], ray.direction);
  const local = each((i) => {
    const edge = level.edge[i] - sight.center[i] + level.scale[i] * SIDE * (key[3 + i] as number);
    return (entry[i] - edge) / level.scale[i];
  });
  const voxel = each((i) => Math.min(Math.max(Math.floor(local[i]), 0), content.shape[i] - 1));
  const inside = each((i) => Math.min(Math.max(local[i] - voxel[i], 0), 1));
  const value = Math.max(...[...content.value].slice(0, Math.min(layer.samples, 3)));
  const t = (value - tone.low) / tone.span;
  const along = (part[1] - part[0]) * sight.zoom;
  const one = { cell, voxel, inside };
  if (mode === "labels") {
    const id = texelText(wordsOf(content.value), layer.dtype, 1);
    return isShown(id, settings) ? { ...one, score: 0, more: 0 } : null;
  }
  if (Number.isNaN(value)) return null;
  if (mode === "average") return { ...one, score: t * along, more: along };
  if (mode !== "translucent") return { ...one, score: t, more: 0 };
  const bright = Math.min(Math.max(t, 0), 1) ** settings.gamma;
  const more = Math.exp(-bright * tone.density * along);
  return bright > 0 ? { ...one, score: 1 - more, more } : null;
}

/** As the shader decides; see label_choice.ts. */
function isShown(id: string, { only, hidden = [] }: LayerSettings): boolean {
  if (id === "0") return false;
  return only ? id === only : !hidden.includes(id);
}
