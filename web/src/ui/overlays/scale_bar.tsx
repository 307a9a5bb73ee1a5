/** A scale bar over the canvas. */
import type { View } from "../canvas.ts";
import type { Desk } from "../desk.ts";
import { spaceSymbol } from "../units.ts";
import { scaleBarLength } from "./scale_bar_length.ts";

const LONGEST = 140;

type ScaleBarProps = { readonly desk: Desk; readonly view: View };

export function ScaleBar({ desk, view }: ScaleBarProps) {
  const camera = view.camera.value;
  const zoom = camera?.volume?.zoom ?? camera?.zoom ?? 0;
  const horizontal = camera?.volume?.displayed[2] ?? camera?.displayed[1];
  if (!(zoom > 0)) return null;
  const axis = desk.layers.value
    .flatMap((layer) => layer.axes)
    .find((candidate) => candidate.name === horizontal);
  if (!axis) return null;
  const bar = scaleBarLength(devicePixelRatio / zoom, spaceSymbol(axis.unit), LONGEST);
  if (!bar) return null;
  return (
    <div class="scale-bar" role="img" aria-label={`Scale bar: ${bar.label}`}>
      <span class="scale-bar-label">{bar.label}</span>
      <span class="scale-bar-line" style={{ width: `${bar.pixels.toFixed(1)}px` }} />
    </div>
  );
}
