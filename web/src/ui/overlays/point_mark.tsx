/** A ring around the point under the pointer. */
import type { View } from "../canvas.ts";
import type { Desk } from "../desk.ts";

/** Device pixels between the disc and the ring, which is never smaller than this. */
const GAP = 3;
const SMALLEST = 6;

type PointMarkProps = { readonly desk: Desk; readonly view: View };

export function PointMark({ desk, view }: PointMarkProps) {
  const point = desk.probe.value?.point;
  const { size } = view.viewer;
  if (!point || desk.probed.value !== view.viewer) return null;
  const [x, y] = point.place;
  const radius = Math.max(point.radius + GAP, SMALLEST);
  return (
    <svg class="overlay-canvas" viewBox={`0 0 ${size[0]} ${size[1]}`} aria-hidden="true">
      <circle class="bounding-box-shade" cx={x} cy={y} r={radius} />
      <circle class="bounding-box point-mark" cx={x} cy={y} r={radius} />
    </svg>
  );
}
