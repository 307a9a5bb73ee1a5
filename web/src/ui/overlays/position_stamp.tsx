/** Where the slice is along the axes that are not displayed: the time stamp of a movie. */
import type { Desk } from "../desk.ts";
import { formatAt } from "../numbers.ts";
import { positionOf } from "../slider_axes.ts";
import { unitSymbol } from "../units.ts";

export function PositionStamp({ desk }: { readonly desk: Desk }) {
  const axes = desk.axes.value;
  if (axes.length === 0) return null;
  return (
    <dl class="position-stamp" aria-label="Position">
      {axes.map((axis) => {
        const index = desk.sliceIndex(axis);
        const symbol = unitSymbol(axis.unit);
        const world = formatAt(positionOf(axis, index), axis.step);
        const isWhole = axis.isOfPoints && desk.showsAllPoints(axis);
        const place = symbol ? `${world} ${symbol}` : `${index} / ${axis.count - 1}`;
        return (
          <div key={axis.name}>
            <dt>{axis.name}</dt>
            <dd>{isWhole ? "all" : place}</dd>
          </div>
        );
      })}
    </dl>
  );
}
