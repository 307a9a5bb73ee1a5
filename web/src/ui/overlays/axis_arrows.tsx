/** Which way the displayed axes point. */
import type { View } from "../canvas.ts";
import { type Direction, directionsOf } from "./outline.ts";

const LENGTH = 30;
const SIZE = 96;
/** Below this share of its length an arrow is all but a point. */
const SHORTEST = 0.12;

export function AxisArrows({ view }: { readonly view: View }) {
  const camera = view.camera.value;
  if (!camera) return null;
  const directions = directionsOf(camera);
  const half = SIZE / 2;
  return (
    <svg
      class="axis-arrows"
      role="img"
      aria-label={`Axes: ${directions.map(({ name }) => name).join(", ")}`}
      viewBox={`${-half} ${-half} ${SIZE} ${SIZE}`}
    >
      <title>{`Axes: ${directions.map(({ name }) => name).join(", ")}`}</title>
      {directions.map((direction) => (
        <Arrow key={direction.name} direction={direction} />
      ))}
    </svg>
  );
}

function Arrow({ direction }: { readonly direction: Direction }) {
  const { name, x, y } = direction;
  const length = Math.hypot(x, y);
  const [ux, uy] = length > SHORTEST ? [x / length, y / length] : [0.7, -0.7];
  const [tipX, tipY] = [x * LENGTH, y * LENGTH];
  const head = `M${tipX} ${tipY}L${tipX - 7 * ux - 3 * uy} ${tipY - 7 * uy + 3 * ux}L${tipX - 7 * ux + 3 * uy} ${tipY - 7 * uy - 3 * ux}Z`;
  return (
    <g class={`axis-arrow axis-arrow-${AXES.includes(name) ? name : "other"}`}>
      <path class="axis-arrow-line" d={`M0 0L${tipX} ${tipY}`} />
      {length > SHORTEST ? <path class="axis-arrow-head" d={head} /> : <circle r="3" />}
      <text x={tipX + 9 * ux} y={tipY + 9 * uy}>
        {name}
      </text>
    </g>
  );
}

const AXES: readonly string[] = ["x", "y", "z"];
