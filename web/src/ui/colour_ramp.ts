/** Colour tables as CSS: gradients for previews. */
import type { Layer, LayerSettings } from "../viewer/types.ts";
import type { Colormaps } from "./desk.ts";
import { isColour } from "./view_state.ts";

const STOPS = 16;

/** A CSS gradient of a colour map, left to right. */
export function colourRamp(colormap: string, colormaps: Colormaps): string {
  if (isColour(colormap)) return `linear-gradient(to right, #000, ${colormap})`;
  const table = colormaps[colormap];
  if (!table) return "linear-gradient(to right, #000, #fff)";
  const stops = Array.from({ length: STOPS }, (_, stop) => {
    const at = 3 * Math.round((stop * 255) / (STOPS - 1));
    return `rgb(${table[at] ?? 0} ${table[at + 1] ?? 0} ${table[at + 2] ?? 0})`;
  });
  return `linear-gradient(to right, ${stops.join(", ")})`;
}

/** What stands for a layer in the list. */
export function layerSwatch(layer: Layer, settings: LayerSettings, colormaps: Colormaps): string {
  if (layer.kind === "rgb") {
    return "linear-gradient(to right, #d9534a 33.4%, #4fb268 33.4% 66.7%, #4a7fd9 66.7%)";
  }
  if (layer.kind === "labels") {
    return "conic-gradient(#4fb6d9 25%, #e0a346 0 50%, #b76ad0 0 75%, #6cc072 0)";
  }
  if (layer.kind === "points" && !settings.colourBy) {
    return isColour(settings.colour ?? "") ? (settings.colour ?? "#fff") : "#fff";
  }
  return colourRamp(settings.colormap, colormaps);
}
