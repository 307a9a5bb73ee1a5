/** Draws volumes: each layer brick by brick, from front to back, into sums, and these onto the canvas. */

import type { PaintedDiscs } from "../points/points_scene.ts";
import type { Layer, LayerSettings, Pair, VolumeView } from "../types.ts";
import type { VolumeSight } from "../volumes/volume_camera.ts";
import type { Cell, CellList } from "../volumes/volume_cells.ts";
import { formatOf, SAMPLER_OF } from "./brick_texture.ts";
import type { ColourTables } from "./colour_tables.ts";
import { DiscPainter } from "./disc_painter.ts";
import { MarkPainter } from "./mark_painter.ts";
import { BLENDING, colourKind, setBlending } from "./painter.ts";
import { Program } from "./program.ts";
import { RECTANGLE, type SamplerKind } from "./shaders.ts";
import {
  composeShader,
  LARGEST,
  type MarchColour,
  type MarchKind,
  marchShader,
  uniformShader,
} from "./volume_shaders.ts";
import type { VolumeTexture } from "./volume_texture.ts";
import {
  isEmpty,
  modeOf,
  setLayer,
  setRay,
  TABLE_UNIT,
  type Tone,
  toneOf,
} from "./volume_uniforms.ts";

export type PaintedVolume = {
  readonly layer: Layer;
  readonly settings: LayerSettings;
  readonly list: CellList<VolumeTexture>;
};

/** All that there is to see. */
export type VolumePicture = {
  readonly size: Pair;
  readonly clear: readonly [number, number, number];
  readonly volume: VolumeView;
  readonly sight: VolumeSight;
  /** From the lowest to the uppermost. */
  readonly layers: readonly (PaintedVolume | PaintedDiscs)[];
};

export class VolumePainter {
  readonly #gl: WebGL2RenderingContext;
  readonly #tables: ColourTables;
  readonly #programs = new Map<string, Program>();
  /** The kinds of textures, colours and modes that it has been made ready for. */
  readonly #warm = new Set<string>();
  /** Whether sums are kept in 32 bits. */
  readonly #exact: boolean;
  readonly #discs: DiscPainter;
  readonly #marks: MarkPainter;
  #size: Pair = [0, 0];
  #frame: WebGLFramebuffer | null = null;
  #sum: WebGLTexture | null = null;
  #depth: WebGLRenderbuffer | null = null;
  /** A picture that is not on the canvas yet. */
  #hidden: WebGLFramebuffer | null = null;
  #colours: WebGLRenderbuffer | null = null;
  /** Where it is drawn: there, or on the canvas (null); and which of its rows. */
  #target: WebGLFramebuffer | null = null;
  #rows: Pair = [0, 0];

  constructor(gl: WebGL2RenderingContext, tables: ColourTables) {
    this.#gl = gl;
    this.#tables = tables;
    this.#discs = new DiscPainter(gl);
    this.#marks = new MarkPainter(gl);
    const wide = gl.getExtension("EXT_color_buffer_float") !== null;
    this.#exact = wide && gl.getExtension("EXT_float_blend") !== null;
    if (!wide) gl.getExtension("EXT_color_buffer_half_float");
  }

  /** Draw all, every `factor`-th device pixel along each side. */
  paint(picture: VolumePicture, factor: number): void {
    this.#target = null;
    this.#rows = [0, picture.size[1]];
    this.#resize(picture.size);
    this.#paint(picture, factor);
  }

  /** Draw some rows, counted from the top, out of sight. */
  paintRows(picture: VolumePicture, rows: Pair, factor: number): void {
    const gl = this.#gl;
    this.#resize(picture.size);
    this.#target = this.#hidden;
    this.#rows = rows;
    gl.enable(gl.SCISSOR_TEST);
    this.#paint(picture, factor);
    gl.disable(gl.SCISSOR_TEST);
  }

  /** Bring onto the canvas what was drawn out of sight. */
  show([width, height]: Pair): void {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.READ_FRAMEBUFFER, this.#hidden);
    gl.bindFramebuffer(gl.DRAW_FRAMEBUFFER, null);
    gl.blitFramebuffer(
      ...[0, 0, width, height, 0, 0, width, height],
      gl.COLOR_BUFFER_BIT,
      gl.NEAREST,
    );
  }

  #paint({ size, clear, volume, sight, layers }: VolumePicture, factor: number): void {
    const gl = this.#gl;
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target);
    this.#cut(size);
    gl.viewport(0, 0, size[0], size[1]);
    gl.disable(gl.DITHER);
    gl.clearColor(...clear, 1);
    gl.clear(gl.COLOR_BUFFER_BIT);
    const texels: Pair = [Math.ceil(size[0] / factor), Math.ceil(size[1] / factor)];
    for (const [place, one] of layers.entries()) {
      if ("discs" in one) {
        gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target);
        this.#discs.paint(size, one.settings, one.discs, this.#rows);
        continue;
      }
      const alone = place === 0 && one.settings.blending === "minimum";
      const settings: LayerSettings = alone
        ? { ...one.settings, blending: "opaque" }
        : one.settings;
      this.#cut(size, factor);
      this.#march(size, texels, factor, volume, sight, { ...one, settings });
      this.#cut(size);
      this.#compose(size, texels, factor, volume, one.layer, settings);
    }
    const failed = layers.flatMap((one) => ("list" in one ? one.list.failed : []));
    const targets = { frame: this.#frame, sum: this.#sum, target: this.#target };
    this.#marks.paint(targets, size, sight, failed);
  }

  /** Keep to the rows: of the canvas, or of sums of every `factor`-th pixel, and those beside that are mixed in. */
  #cut([width, height]: Pair, factor = 0): void {
    const [top, bottom] = this.#rows;
    const first = factor > 0 ? Math.floor((height - bottom) / factor) - 1 : height - bottom;
    const stop = factor > 0 ? Math.ceil((height - top) / factor) + 1 : height - top;
    this.#gl.scissor(0, Math.max(first, 0), width, stop - Math.max(first, 0));
  }

  #march(
    size: Pair,
    texels: Pair,
    factor: number,
    volume: VolumeView,
    sight: VolumeSight,
    { layer, settings, list }: PaintedVolume,
  ): void {
    const gl = this.#gl;
    const mode = modeOf(layer, volume);
    const first = mode === "iso" || mode === "labels";
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frame);
    gl.viewport(0, 0, texels[0], texels[1]);
    const nothing = mode === "mip" || mode === "minip" ? -LARGEST : 0;
    gl.clearColor(nothing, nothing, nothing, 0);
    gl.clearDepth(1);
    gl.depthMask(true);
    gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
    if (first) {
      gl.disable(gl.BLEND);
      gl.enable(gl.DEPTH_TEST);
      gl.depthFunc(gl.LESS);
    } else {
      gl.disable(gl.DEPTH_TEST);
      gl.enable(gl.BLEND);
      if (mode === "translucent") {
        gl.blendEquation(gl.FUNC_ADD);
        gl.blendFunc(gl.ONE_MINUS_DST_ALPHA, gl.ONE);
      } else {
        gl.blendEquation(mode === "average" ? gl.FUNC_ADD : gl.MAX);
        gl.blendFunc(gl.ONE, gl.ONE);
      }
    }
    const kind = colourKind(layer);
    if (kind !== "rgb" || !(first || mode === "translucent")) {
      this.#marchCells(size, texels, factor, volume, sight, { layer, settings, list }, kind, 0);
      return;
    }
    // Red, green and blue are seen at different places: each by itself.
    for (const channel of [0, 1, 2]) {
      gl.colorMask(false, false, false, mode === "translucent");
      gl.clear(gl.COLOR_BUFFER_BIT | gl.DEPTH_BUFFER_BIT);
      gl.colorMask(channel === 0, channel === 1, channel === 2, true);
      const painted = { layer, settings, list };
      this.#marchCells(size, texels, factor, volume, sight, painted, "channel", channel);
    }
    gl.colorMask(true, true, true, true);
  }

  #marchCells(
    size: Pair,
    texels: Pair,
    factor: number,
    volume: VolumeView,
    sight: VolumeSight,
    { layer, settings, list }: PaintedVolume,
    colour: MarchColour,
    channel: number,
  ): void {
    const gl = this.#gl;
    const mode = modeOf(layer, volume);
    const tone = toneOf(layer, settings, volume, size);
    const begin = (program: Program) => {
      program.use();
      setLayer(gl, program, this.#tables, size, factor, layer, settings, tone);
    };
    if (list.cells.length === 0) this.#warmUp(layer, colour, mode, begin);
    let used: Program | null = null;
    for (const cell of list.cells) {
      if (cell.stop[1] <= this.#rows[0] - factor || cell.first[1] >= this.#rows[1] + factor)
        continue;
      const { content } = cell.slot;
      if (isEmpty(content, mode, settings, tone.limit)) continue;
      const flat = !content.texture || (mode === "mip" && content.high <= settings.contrast[0]);
      const program = flat
        ? this.#uniformProgram(colour, mode)
        : this.#marchProgram(content.sampler, colour, mode);
      if (program !== used) {
        begin(program);
        const which = program.at("u_channel");
        gl.uniform3f(which, +(channel === 0), +(channel === 1), +(channel === 2));
        used = program;
      }
      if (flat) this.#setUniform(program, layer, content, tone, channel);
      else {
        gl.activeTexture(gl.TEXTURE0);
        gl.bindTexture(gl.TEXTURE_3D, content.texture);
        gl.uniform1i(program.at("u_volume"), 0);
        const [depth, rows, columns] = content.shape;
        gl.uniform3i(program.at("u_size"), columns, rows, depth);
      }
      setRay(gl, program, sight, list, cell);
      this.#rectangle(program, size, [texels[0] * factor, texels[1] * factor], cell);
    }
  }

  /** Draw nothing while there is nothing to draw, so that what a graphics driver compiles then is ready. */
  #warmUp(
    layer: Layer,
    colour: MarchColour,
    mode: MarchKind,
    begin: (program: Program) => void,
  ): void {
    const gl = this.#gl;
    const name = `${layer.dtype} ${layer.samples} ${colour} ${mode}`;
    if (this.#warm.has(name)) return;
    this.#warm.add(name);
    const texture = gl.createTexture();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_3D, texture);
    const { internal } = formatOf(gl, layer.dtype, layer.samples);
    gl.texStorage3D(gl.TEXTURE_3D, 1, internal, 1, 1, 1);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_3D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    const march = this.#marchProgram(SAMPLER_OF[layer.dtype], colour, mode);
    for (const program of [march, this.#uniformProgram(colour, mode)]) {
      begin(program);
      gl.uniform1i(program.at("u_volume"), 0);
      gl.uniform4f(program.at("u_rect"), 0, 0, 0, 0);
      gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
    }
    gl.deleteTexture(texture);
  }

  /** `first`: the sample that counts where only one does. */
  #setUniform(
    program: Program,
    layer: Layer,
    content: VolumeTexture,
    tone: Tone,
    first: number,
  ): void {
    const gl = this.#gl;
    const { value } = content;
    if (layer.kind === "labels") {
      gl.uniform2ui(program.at("u_label"), value[0] ?? 0, value[1] ?? 0);
      return;
    }
    const scaled = (one: number) =>
      Math.min(Math.max((one - tone.low) / tone.span, -LARGEST), LARGEST);
    // Where nothing reaches the lower limit, the largest value is as good as any.
    const of = (i: number) => scaled(content.texture ? content.high : (value[i] ?? 0));
    gl.uniform3f(program.at("u_value"), of(first), of(1), of(2));
  }

  #compose(
    size: Pair,
    texels: Pair,
    factor: number,
    volume: VolumeView,
    layer: Layer,
    settings: LayerSettings,
  ): void {
    const gl = this.#gl;
    const mode = modeOf(layer, volume);
    const colour = colourKind(layer);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#target);
    gl.viewport(0, 0, size[0], size[1]);
    gl.disable(gl.DEPTH_TEST);
    gl.enable(gl.BLEND);
    setBlending(gl, settings.blending);
    const program = this.#program(`compose ${colour} ${mode}`, () => composeShader(colour, mode));
    program.use();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#sum);
    gl.uniform1i(program.at("u_sum"), 0);
    gl.uniform2i(program.at("u_texels"), texels[0], texels[1]);
    gl.uniform1f(program.at("u_factor"), factor);
    gl.uniform1f(program.at("u_gamma"), settings.gamma);
    gl.uniform1f(program.at("u_opacity"), settings.opacity);
    gl.uniform1i(program.at("u_blending"), BLENDING[settings.blending]);
    gl.uniform1i(program.at("u_table"), TABLE_UNIT);
    this.#tables.bind(TABLE_UNIT, layer.kind === "rgb" ? "gray" : settings.colormap);
    gl.uniform4f(program.at("u_rect"), -1, -1, 1, 1);
    gl.uniform1f(program.at("u_depth"), 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  /** `covered`: what the sums cover, a little more than the canvas to the right and at its top. */
  #rectangle(
    program: Program,
    size: Pair,
    covered: Pair,
    { first, stop }: Cell<VolumeTexture>,
  ): void {
    const gl = this.#gl;
    const x = (column: number) => (column / covered[0]) * 2 - 1;
    const y = (row: number) => ((size[1] - row) / covered[1]) * 2 - 1;
    gl.uniform4f(program.at("u_rect"), x(first[0]), y(first[1]), x(stop[0]), y(stop[1]));
    gl.uniform1f(program.at("u_depth"), 0);
    gl.drawArrays(gl.TRIANGLE_STRIP, 0, 4);
  }

  #resize(size: Pair): void {
    const gl = this.#gl;
    if (this.#frame && this.#size[0] === size[0] && this.#size[1] === size[1]) return;
    gl.deleteFramebuffer(this.#frame);
    gl.deleteTexture(this.#sum);
    gl.deleteRenderbuffer(this.#depth);
    gl.deleteFramebuffer(this.#hidden);
    gl.deleteRenderbuffer(this.#colours);
    this.#size = size;
    this.#frame = gl.createFramebuffer();
    this.#sum = gl.createTexture();
    this.#depth = gl.createRenderbuffer();
    gl.activeTexture(gl.TEXTURE0);
    gl.bindTexture(gl.TEXTURE_2D, this.#sum);
    const format = this.#exact ? gl.RGBA32F : gl.RGBA16F;
    gl.texStorage2D(gl.TEXTURE_2D, 1, format, size[0], size[1]);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MIN_FILTER, gl.NEAREST);
    gl.texParameteri(gl.TEXTURE_2D, gl.TEXTURE_MAG_FILTER, gl.NEAREST);
    gl.bindRenderbuffer(gl.RENDERBUFFER, this.#depth);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.DEPTH_COMPONENT16, size[0], size[1]);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#frame);
    gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, this.#sum, 0);
    gl.framebufferRenderbuffer(gl.FRAMEBUFFER, gl.DEPTH_ATTACHMENT, gl.RENDERBUFFER, this.#depth);
    this.#hidden = gl.createFramebuffer();
    this.#colours = gl.createRenderbuffer();
    gl.bindRenderbuffer(gl.RENDERBUFFER, this.#colours);
    gl.renderbufferStorage(gl.RENDERBUFFER, gl.RGBA8, size[0], size[1]);
    gl.bindFramebuffer(gl.FRAMEBUFFER, this.#hidden);
    gl.framebufferRenderbuffer(
      gl.FRAMEBUFFER,
      gl.COLOR_ATTACHMENT0,
      gl.RENDERBUFFER,
      this.#colours,
    );
  }

  #marchProgram(sampler: SamplerKind, colour: MarchColour, mode: MarchKind): Program {
    return this.#program(`${sampler} ${colour} ${mode}`, () => marchShader(sampler, colour, mode));
  }

  #uniformProgram(colour: MarchColour, mode: MarchKind): Program {
    return this.#program(`uniform ${colour} ${mode}`, () => uniformShader(colour, mode));
  }

  #program(name: string, source: () => string): Program {
    const held = this.#programs.get(name);
    if (held) return held;
    const program = new Program(this.#gl, RECTANGLE, source());
    this.#programs.set(name, program);
    return program;
  }
}
