/** What an operation works on: which layer for which input, at which level, over which slices. Pure. */
import type { Camera, Layer, Pair } from "../../viewer/types.ts";
import { trimmed } from "../numbers.ts";
import { spaceSymbol } from "../units.ts";
import type { PluginInput, PluginOperation, Where } from "./host_service.ts";
import { fits, type InputChoice, type InputId } from "./input_choices.ts";

/** Kinds of inputs that layers can be given for. */
const PIXELS = ["image", "labels"];
const DEFAULT_AXES = "yx";

/** Layer ids, and addresses of tables, by the name of the input. */
export type Inputs = ReadonlyMap<string, InputId>;

/**
 * What is proposed: for each input the layer of its kind that was selected last, else the top one that is shown, and
 * for a table the latest; no layer twice while there are others. Optional inputs get none, unless `isForAll`.
 */
export function proposedInputs(
  inputs: readonly PluginInput[],
  /** Top layer first. */
  layers: readonly Layer[],
  /** The latest first. */
  recentlySelected: readonly number[],
  isVisible: (layer: Layer) => boolean,
  /** The latest first. */
  tables: readonly InputChoice[] = [],
  isForAll = false,
): Inputs {
  const proposed = new Map<string, InputId>();
  const used = new Set<InputId>();
  for (const input of inputs) {
    if (input.optional && !isForAll) continue;
    const fitting = layers.filter((layer) => fits(input, layer));
    const ranked = [
      ...(input.kind === "table" ? tables : []),
      ...recentlySelected.flatMap((id) => fitting.filter((layer) => layer.id === id)),
      ...fitting.filter(isVisible),
      ...fitting,
    ];
    const unused = ranked.find(({ id }) => !used.has(id));
    const layer = unused ?? (input.optional ? undefined : ranked[0]);
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

/** Whether an operation, which declares no axes, may be run on volumes of a layer instead of on its planes. */
export function mayBeVolumes(operation: PluginOperation, layer: Layer, level: number): boolean {
  const pixels = operation.inputs.filter(({ kind }) => PIXELS.includes(kind));
  const depth = layer.levels[level]?.shape[layer.axes.findIndex(({ name }) => name === "z")] ?? 1;
  return depth > 1 && pixels.every(({ axes }) => axes === null);
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
