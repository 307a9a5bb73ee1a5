/** What the contrast slider spans, and the shapes that are drawn behind it. */
import type { Layer, Pair } from "../viewer/types.ts";
import { clamp } from "./numbers.ts";
import type { Histogram } from "./server.ts";

/** All that the layer could hold, and the limits even where they were typed beyond it. */
export function fullSpan(layer: Layer, contrast: Pair): Pair {
  const low = Math.min(layer.range[0], contrast[0]);
  const high = Math.max(layer.range[1], contrast[1]);
  return low < high ? [low, high] : [low, low + 1];
}

/** Close around the data: 16-bit images often fill one hundredth of what their type could hold. */
export function dataSpan(histogram: Histogram, contrast: Pair): Pair {
  const margin = (histogram.high - histogram.low) * 0.02;
  const low = Math.min(histogram.low - margin, contrast[0]);
  const high = Math.max(histogram.high + margin, contrast[1]);
  return low < high ? [low, high] : [low, low + 1];
}

export function isInteger(layer: Layer): boolean {
  return !layer.dtype.startsWith("float");
}

/** Steps of the slider: whole numbers for whole numbers, else one thousandth of the span. */
export function contrastStep(layer: Layer, span: Pair): number {
  const fine = (span[1] - span[0]) / 1000;
  return isInteger(layer) ? Math.max(1, Math.floor(fine)) : fine;
}

/**
 * Outline of a histogram in a box of `width` × `height`, bars from the bottom.
 *
 * Counts are drawn by their logarithm: the background would otherwise flatten everything else.
 */
export function histogramPath(
  histogram: Histogram,
  span: Pair,
  width: number,
  height: number,
): string {
  const { counts, low, high } = histogram;
  const tallest = Math.log1p(Math.max(1, ...counts));
  const bin = (high - low) / Math.max(1, counts.length);
  const x = (value: number) => ((value - span[0]) / (span[1] - span[0])) * width;
  const parts = [`M${x(low).toFixed(1)} ${height}`];
  counts.forEach((count, index) => {
    const top = height - (Math.log1p(Math.max(0, count)) / tallest) * height;
    parts.push(`V${top.toFixed(1)}H${x(low + bin * (index + 1)).toFixed(1)}`);
  });
  return `${parts.join("")}V${height}Z`;
}

/** How values become brightness: the curve of gamma between the limits, flat beside them. */
export function tonePath(
  contrast: Pair,
  gamma: number,
  span: Pair,
  width: number,
  height: number,
): string {
  const x = (value: number) =>
    clamp(((value - span[0]) / (span[1] - span[0])) * width, -width, 2 * width);
  const [left, right] = [x(contrast[0]), x(contrast[1])];
  const points = Array.from({ length: 33 }, (_, index) => {
    const t = index / 32;
    return `L${(left + (right - left) * t).toFixed(1)} ${(height * (1 - t ** gamma)).toFixed(1)}`;
  });
  return `M0 ${height}${points.join("")}L${width} 0`;
}
