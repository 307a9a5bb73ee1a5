/** The extents of the layers that are shown, over the canvas. */
import type { View } from "../canvas.ts";
import type { Desk } from "../desk.ts";
import { edgesOf } from "./outline.ts";

type BoundingBoxesProps = { readonly desk: Desk; readonly view: View };

export function BoundingBoxes({ desk, view }: BoundingBoxesProps) {
  const camera = view.camera.value;
  if (!camera) return null;
  const { size } = view.viewer;
  const shown = desk.layers.value.filter((layer) => desk.settingsOf(layer).visible);
  const lines = shown.flatMap((layer) => edgesOf(layer, camera, size));
  const path = lines.map(([start, end]) => `M${written(start)}L${written(end)}`).join("");
  return (
    <svg class="overlay-canvas" viewBox={`0 0 ${size[0]} ${size[1]}`} aria-hidden="true">
      <path class="bounding-box-shade" d={path} />
      <path class="bounding-box" d={path} />
    </svg>
  );
}

/** Far outside nothing is seen, and numbers that are too large are not drawn right. */
function written(at: readonly [number, number]): string {
  return at.map((value) => Math.min(Math.max(value, -1e6), 1e6).toFixed(1)).join(" ");
}
