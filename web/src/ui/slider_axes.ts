/** The axes that are not displayed: how far each goes, in steps that a slider can count. */
import type { AxisType, Layer } from "../viewer/types.ts";
import { clamp } from "./numbers.ts";

export type SliderAxis = {
  readonly name: string;
  readonly type: AxisType;
  readonly unit: string | null;
  /** World position of step 0. */
  readonly low: number;
  /** World units per step: the finest of all layers. */
  readonly step: number;
  /** How many steps there are, at least two. */
  readonly count: number;
  /** Whether only points lie along it, of which all are shown until somebody wants a slice. */
  readonly isOfPoints: boolean;
};

/** Points have so many slices along an axis in space, if no image has any. */
export const SLICES = 32;

/**
 * One per axis along which some layer has more than one slice, in the order of the layers' axes. Points can be
 * cut in slices along every axis in space.
 */
export function sliderAxes(
  layers: readonly Layer[],
  displayed: readonly string[],
): readonly SliderAxis[] {
  const spans = new Map<string, { type: AxisType; unit: string | null; spans: Span[] }>();
  const deepestFirst = [...layers].sort((a, b) => b.axes.length - a.axes.length);
  for (const layer of deepestFirst) {
    layer.axes.forEach((axis, index) => {
      const span = spanOf(layer, index);
      if (displayed.includes(axis.name) || span === null) return;
      const known = spans.get(axis.name) ?? { type: axis.type, unit: axis.unit, spans: [] };
      spans.set(axis.name, known);
      // What points lie in is no slice of them.
      if (!sliceable(layer, []).includes(axis.name)) known.spans.push(span);
    });
  }
  const axes: SliderAxis[] = [];
  for (const [name, axis] of spans) {
    const low = Math.min(...axis.spans.map((span) => span.low));
    const high = Math.max(...axis.spans.map((span) => span.high));
    const step = Math.min(...axis.spans.map((span) => span.step));
    const count = Math.round((high - low) / step) + 1;
    // Without any span it is no number.
    const isOfPoints = !(count > 1);
    const span = isOfPoints ? slicesOfPoints(layers, name) : { low, step, count };
    if (span) axes.push({ name, type: axis.type, unit: axis.unit, ...span, isOfPoints });
  }
  return axes;
}

/** The axes in space along which a slice of a layer of points can be shown. */
export function sliceable(layer: Layer, displayed: readonly string[]): readonly string[] {
  const axes = layer.axes.filter(({ name, type }) => type === "space" && !displayed.includes(name));
  return layer.kind === "points" ? axes.map(({ name }) => name) : [];
}

/** Where a layer begins along one of its axes, and how long it is. */
export function extentAlong(layer: Layer, axis: number): { low: number; length: number } {
  const { shape, scale, translation } = layer.levels[0] ?? {};
  const step = scale?.[axis] ?? 1;
  return { low: (translation?.[axis] ?? 0) - step / 2, length: step * (shape?.[axis] ?? 1) };
}

function slicesOfPoints(
  layers: readonly Layer[],
  name: string,
): Pick<SliderAxis, "low" | "step" | "count"> | null {
  const extents = layers
    .filter((layer) => sliceable(layer, []).includes(name))
    .map((layer) =>
      extentAlong(
        layer,
        layer.axes.findIndex((axis) => axis.name === name),
      ),
    );
  if (extents.length === 0) return null;
  const low = Math.min(...extents.map((extent) => extent.low));
  const high = Math.max(...extents.map((extent) => extent.low + extent.length));
  return { low, step: (high - low) / SLICES, count: SLICES + 1 };
}

export function indexOf(axis: SliderAxis, position: number): number {
  return clamp(Math.round((position - axis.low) / axis.step), 0, axis.count - 1);
}

export function positionOf(axis: SliderAxis, index: number): number {
  return axis.low + axis.step * clamp(Math.round(index), 0, axis.count - 1);
}

type Span = { readonly low: number; readonly high: number; readonly step: number };

function spanOf(layer: Layer, index: number): Span | null {
  const finest = layer.levels[0];
  const size = finest?.shape[index];
  const scale = finest?.scale[index];
  const low = finest?.translation[index];
  if (size === undefined || scale === undefined || low === undefined) return null;
  if (!(scale > 0) || size < 1) return null;
  return { low, high: low + scale * (size - 1), step: scale };
}
