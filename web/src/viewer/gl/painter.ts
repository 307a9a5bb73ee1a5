/** Draws layers: clears, then brick by brick, one fragment per layer and device pixel. */

import type { Rect } from "../geometry.ts";
import type { PaintedDiscs } from "../points/points_scene.ts";
import { brickParts, type Sampling } from "../slices/brick_parts.ts";
import type { DrawList, DrawnBrick } from "../slices/draw_list.ts";
import type { Slot } from "../slots.ts";
import type { Blending, Coverage, Layer, LayerSettings, Pair, WireType } from "../types.ts";
import { type BrickTexture, brickBytes, createBrickTexture, SAMPLER_OF } from "./brick_texture.ts";
import type { ColourTables } from "./colour_tables.ts";
import { DiscPainter } from "./disc_painter.ts";
import { setLabelChoice } from "./label_choice.ts";
import { Program } from "./program.ts";
import { brickShader, type ColourKind, FLAT, HATCH, RECTANGLE } from "./shaders.ts";

export type PaintedLayer = {
  readonly layer: Layer;
  readonly settings: LayerSettings;
  readonly list: DrawList<BrickTexture>;
};

/** Clip space depths: what is as fine as it should be, what has failed, what stands in for it, nothing. */
const DEPTH = { fine: -0.5, failed: 0, coarse: 0.5, failedBase: 0.75 } as const;
export const BLENDING: Readonly<Record<Blending, number>> = {
  translucent: 0,
  additive: 1,
  opaque: 2,
  minimum: 3,
};
const SAMPLINGS: readonly Sampling[] = ["nearest", "inner", "border", "outline"];
/** Samplers of a brick and its neighbours, by texture unit: for interpolation, and for outlines of labels. */
const UNITS = ["u_main", "u_right", "u_lower", "u_diagonal"];
const OUTLINE_UNITS = ["u_main", "u_left", "u_right", "u_upper", "u_lower"];
const COLOUR_TABLE_UNIT = 5;

export class Painter {
  readonly #gl: WebGL2RenderingContext;
  readonly #tables: ColourTables;
  readonly #bricks = new Map<string, Program>();
  /** The kinds of textures and colours that it has drawn. */
  readonly #warm = new Set<string>();
  readonly #hatch: Program;
  readonly #flat: Program;
  readonly #discs: DiscPainter;

  constructor(gl: WebGL2RenderingContext, tables: ColourTables) {
    this.#gl = gl;
    this.#tables = tables;
    this.#hatch = new Program(gl, RECTANGLE, HATCH);
    this.#flat = new Program(gl, RECTANGLE, FLAT);
    this.#discs = new DiscPainter(gl);
  }

  paint(
    size: Pair,
    clear: readonly [number, number, number],
    layers: readonly (PaintedLayer | PaintedDiscs)[],
  ): void {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.viewport(0, 0, size[0], size[1]);
    gl.disable(gl.DITHER);
    gl.clearColor(...clear, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    gl.enable(gl.DEPTH_TEST);
    gl.depthFunc(gl.LESS);
    gl.clearDepth(1);
    gl.enable(gl.BLEND);
    for (const [place, one] of layers.entries()) {
      if ("list" in one) this.#paintLayer(size, one, place === 0);
      else this.#discs.paint(size, one.settings, one.discs);
    }
  }

  /** Counts, exactly, device pixels inside the layers' extents and those of them that nothing covered. */
  coverage(size: Pair, layers: readonly PaintedLayer[]): Coverage {
    const gl = this.#gl;
    const frame = gl.createFramebuffer();
    const target = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, target);
    gl.texStorage2D(gl.TEXTURE_2D, 1, gl.RGBA8, size[0], size[1]);
    gl.bindFramebuffer(gl.FRAMEBUFFER, frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, target, 0);
    gl.viewport(0, 0, size[0], size[1]);
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    gl.blendEquation(gl.MAX);
    gl.clearColor(0, 0, 0, 0);
    gl.clear(gl.COLOR_BUFFER_BIT);
    this.#flat.use();
    const fill = (rects: Iterable<Rect>, red: number, green: number) => {
      gl.uniform4f(this.#flat.at("u_colour"), red, green, 0, 1);
      for (const rect of rects) this.#rectangle(this.#flat, size, rect, 0);
    };
    for (const { list } of layers) {
      fill([list.bounds], 1, 0);
      fill(
        list.bricks.map((brick) => brick.rect),
        0,
        1,
      );
      fill([...list.failed, ...list.failedBase], 0, 1);
    }
    const pixels = new Uint8Array(size[0] * size[1] * 4);
    gl.readPixels(0, 0, size[0], size[1], gl.RGBA, gl.UNSIGNED_BYTE, pixels);
    gl.bindFramebuffer(gl.FRAMEBUFFER, null);
    gl.deleteFramebuffer(frame);
    gl.deleteTexture(target);
    let [inside, uncovered] = [0, 0];
    for (let i = 0; i < pixels.length; i += 4) {
      if (pixels[i] === 0) continue;
      inside += 1;
      if (pixels[i + 1] === 0) uncovered += 1;
    }
    return { inside, uncovered };
  }

  #paintLayer(size: Pair, { layer, settings: chosen, list }: PaintedLayer, lowest: boolean): void {
    const gl = this.#gl;
    // The minimum with the background, which is black, would be black.
    const alone = lowest && chosen.blending === "minimum";
    const settings: LayerSettings = alone ? { ...chosen, blending: "opaque" } : chosen;
    gl.enable(gl.DEPTH_TEST);
    gl.clear(gl.DEPTH_BUFFER_BIT);
    setBlending(gl, settings.blending);
    if (list.bricks.length === 0) {
      this.#warmUp(size, layer, settings, list.baseIsLinear ? "inner" : "nearest");
    }
    // Level by level, since better levels come first; within one, parts of one kind together.
    for (const bricks of byLevel(list.bricks)) {
      const parts = bricks.flatMap((brick) =>
        brickParts(brick).map((part) => ({ ...part, brick })),
      );
      for (const sampling of SAMPLINGS) {
        const alike = parts.filter((part) => part.sampling === sampling);
        if (alike.length === 0) continue;
        const program = this.#brickProgram(layer, sampling);
        program.use();
        this.#setLayer(program, size, layer, settings, sampling);
        for (const { brick, rect } of alike) this.#paintPart(program, size, brick, rect, sampling);
      }
    }
    if (list.failed.length + list.failedBase.length > 0) {
      this.#hatch.use();
      setBlending(gl, "translucent");
      const hatch = this.#hatch;
      for (const rect of list.failed) this.#rectangle(hatch, size, rect, DEPTH.failed);
      for (const rect of list.failedBase) this.#rectangle(hatch, size, rect, DEPTH.failedBase);
    }
  }

  /**
   * Draw nothing, in the manner that the first brick of this layer will be drawn: graphics drivers
   * compile when something is drawn first, and before that brick comes there is time.
   */
  #warmUp(size: Pair, layer: Layer, settings: LayerSettings, sampling: Sampling): void {
    const name = `${layer.dtype} ${layer.samples} ${layer.kind} ${sampling}`;
    if (this.#warm.has(name)) return;
    this.#warm.add(name);
    const gl = this.#gl;
    const program = this.#brickProgram(layer, sampling);
    const { texture } = createBrickTexture(
      gl,
      layer,
      1,
      1,
      new Uint8Array(brickBytes(layer, 1, 1)),
    );
    for (let unit = 0; unit < UNITS.length; unit++) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      gl.bindTexture(gl.TEXTURE_2D, texture);
    }
    program.use();
    this.#setLayer(program, size, layer, settings, sampling);
    this.#rectangle(program, size, { x0: 0, y0: 0, x1: 0, y1: 0 }, DEPTH.fine);
    gl.deleteTexture(texture);
  }

  #setLayer(
    program: Program,
    size: Pair,
    layer: Layer,
    settings: LayerSettings,
    sampling: Sampling,
  ): void {
    const gl = this.#gl;
    gl.uniform1f(program.at("u_height"), size[1]);
    gl.uniform1f(program.at("u_opacity"), settings.opacity);
    gl.uniform1i(program.at("u_blending"), BLENDING[settings.blending]);
    const units = sampling === "outline" ? OUTLINE_UNITS : UNITS;
    for (const [unit, name] of units.entries()) gl.uniform1i(program.at(name), unit);
    if (layer.kind === "labels") {
      gl.uniform1f(program.at("u_contour"), settings.contour ?? 0);
      setLabelChoice(gl, program, settings);
      return;
    }
    const [low, high] = settings.contrast;
    // Integers are taken relative to the lower limit before they become floats, which have 24 bits.
    const origin = originOf(layer.dtype, low);
    if (layer.dtype.startsWith("uint")) gl.uniform1ui(program.at("u_origin"), origin);
    else if (layer.dtype.startsWith("int")) gl.uniform1i(program.at("u_origin"), origin);
    gl.uniform1f(program.at("u_low"), low - origin);
    gl.uniform1f(program.at("u_span"), high - low);
    gl.uniform1f(program.at("u_gamma"), settings.gamma);
    gl.uniform1i(program.at("u_alpha"), layer.samples === 4 ? 1 : 0);
    gl.uniform1f(program.at("u_alpha_scale"), 1 / largest(layer.dtype));
    gl.uniform1i(program.at("u_table"), COLOUR_TABLE_UNIT);
    this.#tables.bind(COLOUR_TABLE_UNIT, settings.colormap);
  }

  #paintPart(
    program: Program,
    size: Pair,
    brick: DrawnBrick<BrickTexture>,
    rect: Rect,
    sampling: Sampling,
  ): void {
    const gl = this.#gl;
    const { slot, around } = brick;
    const { content } = slot;
    if (sampling === "outline" && around) {
      const { left, right, upper, lower } = around;
      this.#bind(slot, [left, right, upper, lower]);
      gl.uniform4i(program.at("u_around"), +!!left, +!!right, +!!upper, +!!lower);
    } else {
      const [right, lower, diagonal] = brick.neighbours;
      this.#bind(slot, brick.neighbours);
      gl.uniform3i(program.at("u_held"), +!!right, +!!lower, +!!diagonal);
    }
    gl.uniform2i(program.at("u_size"), content.columns, content.rows);
    gl.uniform2f(program.at("u_first"), brick.rect.x0, brick.rect.y0);
    gl.uniform2f(program.at("u_start"), brick.start[1], brick.start[0]);
    gl.uniform2f(program.at("u_step"), brick.step[1], brick.step[0]);
    this.#rectangle(program, size, rect, brick.coarser ? DEPTH.coarse : DEPTH.fine);
  }

  /** A brick and its neighbours, by texture unit. */
  #bind(slot: Slot<BrickTexture>, neighbours: readonly (Slot<BrickTexture> | null)[]): void {
    const gl = this.#gl;
    for (const [unit, one] of [slot, ...neighbours].entries()) {
      gl.activeTexture(gl.TEXTURE0 + unit);
      // A missing neighbour is never read, but its unit must hold a texture of the right type.
      gl.bindTexture(gl.TEXTURE_2D, (one ?? slot).content.texture);
    }
  }

  /** Edges of device pixels, so which pixels are covered is decided by whole numbers, not by rounding. */
  #rectangle(program: Program, size: Pair, rect: Rect, depth: number): void {
    const gl = this.#gl;
    const x = (column: number) => (column / size[0]) * 2 - 1;
    const y = (row: number) => 1 - (row / size[1]) * 2;
    gl.uniform4f(program.at("u_rect"), x(rect.x0), y(rect.y0), x(rect.x1), y(rect.y1));
    gl.uniform1f(program.at("u_depth"), depth);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  #brickProgram(layer: Layer, sampling: Sampling): Program {
    const [sampler, colour] = [SAMPLER_OF[layer.dtype], colourKind(layer)];
    const name = `${sampler} ${colour} ${sampling}`;
    const held = this.#bricks.get(name);
    if (held) return held;
    const program = new Program(this.#gl, RECTANGLE, brickShader(sampler, colour, sampling));
    this.#bricks.set(name, program);
    return program;
  }
}

/** How a colour from `put` joins what is there. */
export function setBlending(gl: WebGL2RenderingContext, blending: Blending): void {
  gl.blendEquation(blending === "minimum" ? gl.MIN : gl.FUNC_ADD);
  gl.blendFunc(gl.ONE, blending === "additive" ? gl.ONE : gl.ONE_MINUS_SRC_ALPHA);
}

/** Consecutive bricks of one level. */
function byLevel(bricks: readonly DrawnBrick<BrickTexture>[]): DrawnBrick<BrickTexture>[][] {
  const runs: DrawnBrick<BrickTexture>[][] = [];
  for (const brick of bricks) {
    const run = runs.at(-1);
    if (run?.[0]?.slot.key[1] === brick.slot.key[1]) run.push(brick);
    else runs.push([brick]);
  }
  return runs;
}

export function colourKind(layer: Layer): ColourKind {
  if (layer.kind === "labels") return "labels";
  return layer.samples === 1 ? "scalar" : "rgb";
}

const LIMITS: Readonly<Record<WireType, Pair>> = {
  uint8: [0, 0xff],
  int8: [-0x80, 0x7f],
  uint16: [0, 0xffff],
  int16: [-0x8000, 0x7fff],
  uint32: [0, 0xffffffff],
  int32: [-0x80000000, 0x7fffffff],
  float32: [0, 1],
  uint64: [0, 0xffffffff],
};

function largest(dtype: WireType): number {
  return LIMITS[dtype][1];
}

export function originOf(dtype: WireType, low: number): number {
  if (dtype === "float32") return 0;
  const [least, most] = LIMITS[dtype];
  return Math.min(Math.max(Math.floor(low), least), most);
}
