/** Moving the camera. Pure: every function returns a new one. */

import { displayedAxes, extentOf, type Sight, toWorld } from "./geometry.ts";
import type { Camera, Layer, Pair } from "./types.ts";

/** Device pixels per pixel of the finest level, at most. */
const MAX_MAGNIFICATION = 256;
/** How near points may be to each other, as a part of the box that they lie in. */
const NEAREST = 2 ** -24;
/** How small, against a fitting view, everything may become. */
const MIN_FIT = 1 / 8;

export function sightOf(camera: Camera, size: Pair): Sight {
  return { center: camera.center, zoom: camera.zoom, size };
}

/** y and x where a layer has both, else the last two axes of the first layer. */
export function chooseDisplayed(layers: readonly Layer[]): Camera["displayed"] {
  if (layers.some((layer) => displayedAxes(layer, ["y", "x"]))) return ["y", "x"];
  const names = layers[0]?.axes.map((axis) => axis.name) ?? [];
  return [names.at(-2) ?? "y", names.at(-1) ?? "x"];
}

/** The same place, in a slice along two other axes. */
export function turnedTo(camera: Camera, displayed: Camera["displayed"]): Camera {
  if (String(displayed) === String(camera.displayed)) return camera;
  const [row, column] = camera.displayed;
  const world = { ...camera.position, [row]: camera.center[0], [column]: camera.center[1] };
  const center: Pair = [world[displayed[0]] ?? 0, world[displayed[1]] ?? 0];
  const others = Object.entries(world).filter(([name]) => !displayed.includes(name));
  return { ...camera, displayed, center, position: Object.fromEntries(others) };
}

/** Where every other axis starts: the middle of space, the first of everything else. */
export function startPosition(
  layers: readonly Layer[],
  displayed: Camera["displayed"],
): Record<string, number> {
  const position: Record<string, number> = {};
  for (const layer of layers) {
    const finest = layer.levels[0];
    for (const [i, axis] of layer.axes.entries()) {
      if (!finest || displayed.includes(axis.name) || axis.name in position) continue;
      const [count = 1, scale = 1, start = 0] = [
        finest.shape[i],
        finest.scale[i],
        finest.translation[i],
      ];
      const middle = axis.type === "space" ? Math.floor((count - 1) / 2) : 0;
      position[axis.name] = start + scale * middle;
    }
  }
  return position;
}

/** Centre and zoom that show all these layers whole. */
export function fitTo(
  layers: readonly Layer[],
  size: Pair,
  displayed: Camera["displayed"],
): Pick<Camera, "center" | "zoom"> {
  const extents = layers.map((layer) => extentOf(layer, displayed)).filter((one) => one !== null);
  if (extents.length === 0) return { center: [0, 0], zoom: 1 };
  const low = (axis: 0 | 1) => Math.min(...extents.map((one) => one.low[axis]));
  const high = (axis: 0 | 1) => Math.max(...extents.map((one) => one.high[axis]));
  const zoom = Math.min(
    size[0] / Math.max(high(1) - low(1), 1e-12),
    size[1] / Math.max(high(0) - low(0), 1e-12),
  );
  return { center: [(low(0) + high(0)) / 2, (low(1) + high(1)) / 2], zoom };
}

/** The smallest and the largest zoom that keep something to look at. */
export function zoomLimits(
  layers: readonly Layer[],
  size: Pair,
  displayed: Camera["displayed"],
): Pair {
  const finest = layers.flatMap((layer) => {
    const axes = displayedAxes(layer, displayed);
    return axes ? axes.map((axis) => finestScale(layer, axis)) : [];
  });
  const fitting = fitTo(layers, size, displayed).zoom;
  const largest = MAX_MAGNIFICATION / Math.min(...finest);
  if (!(largest > 0 && Number.isFinite(largest))) return [0, Number.POSITIVE_INFINITY];
  return [Math.min(fitting * MIN_FIT, largest), Math.max(largest, fitting)];
}

/** How large a pixel of the finest level is; of points, how near they may be to each other. */
export function finestScale(layer: Layer, axis: number): number {
  const scale = layer.levels[0]?.scale[axis] ?? 1;
  return layer.kind === "points" ? scale * NEAREST : scale;
}

/** What is shown moves by (dx, dy) device pixels. */
export function pan(camera: Camera, dx: number, dy: number): Camera {
  const [y, x] = camera.center;
  return { ...camera, center: [y - dy / camera.zoom, x - dx / camera.zoom] };
}

/** Multiply the zoom; the world under the device pixel position `at` stays where it is. */
export function zoomAt(camera: Camera, size: Pair, factor: number, at: Pair, limits: Pair): Camera {
  // Limits hold back what goes further out of them, not a camera that was set there on purpose.
  const wanted = camera.zoom * factor;
  const zoom =
    factor > 1
      ? Math.max(Math.min(wanted, limits[1]), camera.zoom)
      : Math.min(Math.max(wanted, limits[0]), camera.zoom);
  const fixed = toWorld(sightOf(camera, size), at[0], at[1]);
  return {
    ...camera,
    zoom,
    center: [fixed[0] - (at[1] - size[1] / 2) / zoom, fixed[1] - (at[0] - size[0] / 2) / zoom],
  };
}
