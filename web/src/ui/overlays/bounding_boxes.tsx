/** The extents of the layers that are shown, over the canvas. */
import type { Desk } from "../desk.ts";
import { edgesOf } from "./outline.ts";

export function BoundingBoxes({ desk }: { readonly desk: Desk }) {
  const camera = desk.camera.value;
  if (!camera) return null;
  const { size } = desk.viewer;
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
