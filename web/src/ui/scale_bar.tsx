/** A scale bar over the canvas. */
import type { Desk } from "./desk.ts";
import { scaleBarLength } from "./scale_bar_length.ts";
import { spaceSymbol } from "./units.ts";

const LONGEST = 140;

export function ScaleBar({ desk }: { readonly desk: Desk }) {
  const camera = desk.camera.value;
  if (!camera || !(camera.zoom > 0)) return null;
  const horizontal = camera.displayed[1];
  const axis = desk.layers.value
    .flatMap((layer) => layer.axes)
    .find((candidate) => candidate.name === horizontal);
  if (!axis) return null;
  const bar = scaleBarLength(devicePixelRatio / camera.zoom, spaceSymbol(axis.unit), LONGEST);
  if (!bar) return null;
  return (
    <div class="scale-bar" role="img" aria-label={`Scale bar: ${bar.label}`}>
      <span class="scale-bar-label">{bar.label}</span>
      <span class="scale-bar-line" style={{ width: `${bar.pixels.toFixed(1)}px` }} />
    </div>
  );
}
