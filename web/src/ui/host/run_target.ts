/** What an operation works on: which layer for which input, at which level, over which slices. Pure. */
import type { Camera, Layer, Pair } from "../../viewer/types.ts";
import { trimmed } from "../numbers.ts";
import { spaceSymbol } from "../units.ts";
import type { PluginInput, PluginOperation, Where } from "./host_service.ts";

/** Kinds of inputs that layers can be given for. */
const PIXELS = ["image", "labels"];
const DEFAULT_AXES = "yx";

/** Layer ids by the name of the input. */
export type Inputs = ReadonlyMap<string, number>;

export function fits(input: PluginInput, layer: Layer): boolean {
  return input.kind === "labels" ? layer.kind === "labels" : isImageInput(input, layer);
}

/**
 * The layers that are proposed: for each input the layer of its kind that was selected last, else the top one that
 * is shown; no layer twice while there are others. Optional inputs get none.
 */
export function proposedInputs(
  inputs: readonly PluginInput[],
  /** Top layer first. */
  layers: readonly Layer[],
  /** The latest first. */
  recentlySelected: readonly number[],
  isVisible: (layer: Layer) => boolean,
): Inputs {
  const proposed = new Map<string, number>();
  const used = new Set<number>();
  for (const input of inputs) {
    if (input.optional) continue;
    const fitting = layers.filter((layer) => fits(input, layer));
    const ranked = [
      ...recentlySelected.flatMap((id) => fitting.filter((layer) => layer.id === id)),
      ...fitting.filter(isVisible),
      ...fitting,
    ];
    const layer = ranked.find(({ id }) => !used.has(id)) ?? ranked[0];
    if (!layer) continue;
    proposed.set(input.name, layer.id);
    used.add(layer.id);
  }
  return proposed;
}

/** The input whose layer says which levels and axes there are. */
export function leadingInput(operation: PluginOperation): PluginInput | null {
  return operation.inputs.find(({ kind }) => PIXELS.includes(kind)) ?? null;
}

/** The axes that one call works on, one letter each. */
export function workedAxes(operation: PluginOperation): string {
  return leadingInput(operation)?.axes ?? DEFAULT_AXES;
}

export type OtherAxis = { readonly name: string; readonly count: number };

/** The axes along which the operation would be run slice by slice. */
export function otherAxes(layer: Layer, worked: string, level: number): readonly OtherAxis[] {
  const shape = layer.levels[level]?.shape ?? [];
  return layer.axes.flatMap(({ name }, index) => {
    const count = shape[index] ?? 1;
    return count > 1 && !worked.includes(name) ? [{ name, count }] : [];
  });
}

/** "16384 × 16384, 0.325 µm": how large a level is along the axes that are worked on, and its pixels. */
export function levelText(layer: Layer, level: number, worked: string): string {
  const { shape = [], scale = [] } = layer.levels[level] ?? {};
  const shown = layer.axes.flatMap(({ name, unit }, index) =>
    worked.includes(name) ? [{ count: shape[index] ?? 1, size: scale[index] ?? 1, unit }] : [],
  );
  const sizes = [...new Set(shown.map(({ size }) => trimmed(size, 3)))].join(" × ");
  const symbol = spaceSymbol(shown.at(-1)?.unit ?? null);
  const pixels = shown.map(({ count }) => count).join(" × ");
  return symbol === "px" && sizes === "1" ? pixels : `${pixels}, ${sizes} ${symbol}`;
}

export type Choice =
  | { readonly region: "visible" }
  | { readonly region: "whole"; readonly level: number; readonly slices: "shown" | "all" };

export function whereOf(choice: Choice, camera: Camera, size: Pair): Where {
  const { center, zoom, displayed, position } = camera;
  return choice.region === "visible"
    ? { region: "visible", center, zoom, size, displayed, position }
    : { ...choice, position };
}

/** Colours are an image too; whether the operation can make sense of them, the host says. */
function isImageInput(input: PluginInput, layer: Layer): boolean {
  return input.kind === "image" && layer.kind !== "labels" && layer.kind !== "points";
}
