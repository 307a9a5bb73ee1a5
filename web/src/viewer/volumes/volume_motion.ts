/** Moving the camera of a volume. Pure: every function returns a new one. */

import { finestScale } from "../camera.ts";
import type { Box, Layer, Pair, Triple, VolumeView } from "../types.ts";
import { each, octreeOf } from "./octree.ts";
import { around, cameraAxes, combine, dot, looking, times, unit } from "./volume_camera.ts";

/** Device pixels per voxel of the finest level, at most. */
const MAX_MAGNIFICATION = 64;
/** How small, against a fitting view, everything may become. */
const MIN_FIT = 1 / 8;
/** A drag across the shorter side of the canvas turns by half a circle. */
const HALF_TURN = Math.PI;

/** What is chosen, and not found by looking at the layers. */
export const FIRST_LOOK: Omit<VolumeView, "center" | "zoom" | "displayed"> = {
  orientation: looking(30, 20),
  perspective: 0,
  mode: "mip",
  density: null,
  threshold: null,
  quality: 1,
  clip: null,
};

/** The axes of a volume: depth, row, column. Null: no layer has a third axis in space. */
export function volumeAxes(
  layers: readonly Layer[],
  displayed: readonly [string, string],
): VolumeView["displayed"] | null {
  for (const layer of layers) {
    const names = layer.axes.map((axis) => axis.name);
    if (!displayed.every((name) => names.includes(name))) continue;
    const others = layer.axes.filter(
      ({ name, type }) => !displayed.includes(name) && (type === "space" || name === "z"),
    );
    const third = others.find(({ name }) => name === "z") ?? others.at(-1);
    if (third) return [third.name, ...displayed];
  }
  return null;
}

/** The same place in a volume along these axes, in another order. Null: they are others. */
export function alongAxes(
  volume: VolumeView,
  displayed: VolumeView["displayed"],
): VolumeView | null {
  const order = displayed.map((name) => volume.displayed.indexOf(name));
  if (order.includes(-1)) return null;
  const sorted = (triple: Triple): Triple => each((i) => triple[order[i] ?? i] ?? 0);
  const clip: Box | null = volume.clip && [sorted(volume.clip[0]), sorted(volume.clip[1])];
  return { ...volume, displayed, center: sorted(volume.center), clip };
}

/** What layers cover along these axes. Null: none has them. */
export function volumeExtent(
  layers: readonly Layer[],
  displayed: VolumeView["displayed"],
): Box | null {
  const trees = layers.map((layer) => octreeOf(layer, displayed)).filter((one) => !!one);
  if (trees.length === 0) return null;
  return [
    each((i) => Math.min(...trees.map((tree) => tree.low[i]))),
    each((i) => Math.max(...trees.map((tree) => tree.high[i]))),
  ];
}

/** Centre and zoom that show all these layers whole from that side. */
export function fitVolume(
  layers: readonly Layer[],
  size: Pair,
  volume: Pick<VolumeView, "displayed" | "orientation" | "perspective">,
): Pick<VolumeView, "center" | "zoom"> {
  const extent = volumeExtent(layers, volume.displayed);
  if (!extent) return { center: [0, 0, 0], zoom: 1 };
  const [low, high] = extent;
  const center = each((i) => (low[i] + high[i]) / 2);
  const [right, down, forward] = cameraAxes(volume.orientation);
  const tilt = Math.tan((volume.perspective * Math.PI) / 360);
  const focal = volume.perspective > 0 ? size[1] / 2 / tilt : 0;
  let zoom = Number.POSITIVE_INFINITY;
  let farthest = 1e-12;
  for (let corner = 0; corner < 8; corner++) {
    const at = each((i) => ((corner >> i) & 1 ? high[i] : low[i]) - center[i]);
    const [x, y] = [Math.abs(dot(at, right)), Math.abs(dot(at, down))];
    zoom = Math.min(zoom, size[0] / 2 / Math.max(x, 1e-12), size[1] / 2 / Math.max(y, 1e-12));
    const away = Math.max((x * focal) / (size[0] / 2), (y * focal) / (size[1] / 2));
    farthest = Math.max(farthest, away - dot(at, forward));
  }
  return { center, zoom: focal > 0 ? focal / farthest : zoom };
}

/** The smallest and the largest zoom that keep something to look at. */
export function volumeLimits(layers: readonly Layer[], size: Pair, volume: VolumeView): Pair {
  const scales = layers.flatMap((layer) => {
    const names = layer.axes.map(({ name }) => name);
    const axes = volume.displayed.map((name) => names.indexOf(name));
    return axes.includes(-1) ? [] : axes.map((axis) => finestScale(layer, axis));
  });
  const fitting = fitVolume(layers, size, volume).zoom;
  const largest = MAX_MAGNIFICATION / Math.min(...scales);
  if (!(largest > 0 && Number.isFinite(largest))) return [0, Number.POSITIVE_INFINITY];
  return [Math.min(fitting * MIN_FIT, largest), Math.max(largest, fitting)];
}

/** What lies before the centre moves by (dx, dy) device pixels. */
export function orbit(volume: VolumeView, size: Pair, dx: number, dy: number): VolumeView {
  const turn = HALF_TURN / Math.max(Math.min(...size), 1);
  const aside = times(volume.orientation, around([0, 1, 0], dx * turn));
  return { ...volume, orientation: unit(times(aside, around([1, 0, 0], -dy * turn))) };
}

/** What is shown moves by (dx, dy) device pixels. */
export function panVolume(volume: VolumeView, dx: number, dy: number): VolumeView {
  return { ...volume, center: moved(volume, -dx / volume.zoom, -dy / volume.zoom) };
}

/** Multiply the zoom; what is under the device pixel `at`, as deep as the centre, stays where it is. */
export function zoomVolumeAt(
  volume: VolumeView,
  size: Pair,
  factor: number,
  at: Pair,
  limits: Pair,
): VolumeView {
  const wanted = volume.zoom * factor;
  const zoom =
    factor > 1
      ? Math.max(Math.min(wanted, limits[1]), volume.zoom)
      : Math.min(Math.max(wanted, limits[0]), volume.zoom);
  const share = 1 / volume.zoom - 1 / zoom;
  const center = moved(volume, (at[0] - size[0] / 2) * share, (at[1] - size[1] / 2) * share);
  return { ...volume, zoom, center };
}

/** The centre, moved to the right and down as the camera sees it. */
function moved(volume: VolumeView, aside: number, along: number): Triple {
  const [right, down] = cameraAxes(volume.orientation);
  return combine(combine(volume.center, aside, right), along, down);
}
