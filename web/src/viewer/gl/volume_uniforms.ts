/** What the shaders of volumes are told: where the ray is in a brick, and how values become tones. */

import type { Layer, LayerSettings, Pair, Triple, VolumeView } from "../types.ts";
import { each, SIDE } from "../volumes/octree.ts";
import { dot, type VolumeSight } from "../volumes/volume_camera.ts";
import type { Cell, CellList } from "../volumes/volume_cells.ts";
import type { ColourTables } from "./colour_tables.ts";
import { setLabelChoice } from "./label_choice.ts";
import { originOf } from "./painter.ts";
import type { Program } from "./program.ts";
import type { MarchKind } from "./volume_shaders.ts";
import type { VolumeTexture } from "./volume_texture.ts";

export const TABLE_UNIT = 1;
/** Of translucent layers, over the canvas's shorter side. */
const DENSITY = 32;
/** So little between the contrast limits is as good as nothing, but not 0. */
const LEAST_SPAN = 1e-30;

export type Tone = {
  /** Integers are taken relative to this before they become floats. */
  readonly origin: number;
  readonly low: number;
  readonly span: number;
  /** Of the surface, between the contrast limits: 0 to 1. */
  readonly threshold: number;
  /** The same as a value. */
  readonly limit: number;
  /** Per device pixel at the centre. */
  readonly density: number;
};

export function toneOf(
  layer: Layer,
  settings: LayerSettings,
  volume: VolumeView,
  size: Pair,
): Tone {
  const [low, high] = settings.contrast;
  const span = Math.max(high - low, LEAST_SPAN);
  const limit = volume.threshold ?? (low + high) / 2;
  const { density } = volume;
  return {
    origin: layer.kind === "labels" ? 0 : originOf(layer.dtype, low),
    low,
    span,
    threshold: (limit - low) / span,
    limit,
    density: density === null ? DENSITY / Math.min(...size) : density / volume.zoom,
  };
}

export function modeOf(layer: Layer, volume: VolumeView): MarchKind {
  return layer.kind === "labels" ? "labels" : volume.mode;
}

/** Whether nothing of a brick would be seen. */
export function isEmpty(
  { high }: VolumeTexture,
  mode: MarchKind,
  settings: LayerSettings,
  limit: number,
): boolean {
  if (mode === "labels") return high <= 0;
  if (mode === "iso") return high < limit;
  return mode === "translucent" && high <= settings.contrast[0];
}

/** The camera, in voxels of the brick. */
export function setRay(
  gl: WebGL2RenderingContext,
  program: Program,
  sight: VolumeSight,
  { tree, low, high }: CellList<VolumeTexture>,
  cell: Cell<VolumeTexture>,
): void {
  const { key } = cell.slot;
  const level = tree.levels[key[1]];
  if (!level) return;
  const { scale } = level;
  const place: Triple = [key[3], key[4], key[5] ?? 0];
  // The middle of the brick's first voxel, relative to the camera's centre.
  const zero = each((i) => level.edge[i] - sight.center[i] + scale[i] * (place[i] * SIDE + 0.5));
  const local = (point: Triple) => each((i) => (point[i] - zero[i]) / scale[i]);
  const step = (way: Triple) => each((i) => way[i] / sight.zoom / scale[i]);
  const [right, down, forward] = sight.axes;
  const still: Triple = [0, 0, 0];
  const set = (name: string, [z, y, x]: Triple) => gl.uniform3f(program.at(name), x, y, z);
  if (Number.isFinite(sight.distance)) {
    const focal = sight.distance * sight.zoom;
    set("u_origin_0", local(each((i) => -sight.distance * forward[i])));
    set("u_origin_x", still);
    set("u_origin_y", still);
    set("u_direction_0", step(each((i) => forward[i] * focal)));
    set("u_direction_x", step(right));
    set("u_direction_y", step(down));
    gl.uniform1f(program.at("u_focal"), focal);
  } else {
    // Rays begin beside the brick, so that numbers stay small.
    const deep = dot(
      each((i) => (cell.low[i] + cell.high[i]) / 2),
      forward,
    );
    set("u_origin_0", local(each((i) => forward[i] * deep)));
    set("u_origin_x", step(right));
    set("u_origin_y", step(down));
    set("u_direction_0", step(forward));
    set("u_direction_x", still);
    set("u_direction_y", still);
    gl.uniform1f(program.at("u_focal"), 0);
  }
  set("u_low", local(cell.low));
  set("u_high", local(cell.high));
  set("u_box_low", local(low));
  set("u_box_high", local(high));
  set(
    "u_first",
    each((i) => (place[i] > 0 ? -1 : -SIDE)),
  );
  set(
    "u_last",
    each((i) => cell.slot.content.shape[i] + (place[i] < level.bricks[i] - 1 ? 0 : SIDE)),
  );
  const least = Math.min(...scale);
  set(
    "u_scale",
    each((i) => scale[i] / least),
  );
}

export function setLayer(
  gl: WebGL2RenderingContext,
  program: Program,
  tables: ColourTables,
  size: Pair,
  factor: number,
  layer: Layer,
  settings: LayerSettings,
  tone: Tone,
): void {
  gl.uniform2f(program.at("u_canvas"), size[0], size[1]);
  gl.uniform1f(program.at("u_factor"), factor);
  if (layer.kind === "labels") setLabelChoice(gl, program, settings);
  if (layer.dtype.startsWith("uint")) gl.uniform1ui(program.at("u_origin"), tone.origin);
  else if (layer.dtype.startsWith("int")) gl.uniform1i(program.at("u_origin"), tone.origin);
  gl.uniform1f(program.at("u_value_low"), settings.contrast[0] - tone.origin);
  gl.uniform1f(program.at("u_span"), tone.span);
  gl.uniform1f(program.at("u_gamma"), settings.gamma);
  gl.uniform1f(program.at("u_threshold"), tone.threshold);
  gl.uniform1f(program.at("u_density"), tone.density);
  gl.uniform1i(program.at("u_table"), TABLE_UNIT);
  tables.bind(TABLE_UNIT, layer.kind === "rgb" ? "gray" : settings.colormap);
}
