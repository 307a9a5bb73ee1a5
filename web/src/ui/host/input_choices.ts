/** What can be chosen for an input of an operation: layers, and tables that jobs gave. Pure. */
import type { Layer } from "../../viewer/types.ts";
import type { Job, PluginInput, PluginOperation } from "./host_service.ts";

/** The id of a layer, or the address of a table. */
export type InputId = number | string;

export type InputChoice = { readonly id: InputId; readonly name: string };

export function fits(input: PluginInput, layer: Layer): boolean {
  switch (input.kind) {
    case "labels":
      return layer.kind === "labels";
    case "image":
      // Colours are an image too; whether the operation can make sense of them, the host says.
      return layer.kind !== "labels" && layer.kind !== "points";
    case "points":
    case "table":
      return layer.kind === "points";
    default:
      return false;
  }
}

/** The tables that jobs gave, the latest first. */
export function tablesOf(jobs: readonly Job[]): readonly InputChoice[] {
  return jobs
    .filter((job) => job.state === "done" && !job.undone)
    .flatMap((job) => job.files.map((file) => ({ id: file.address, name: nameOf(job, file.name) })))
    .reverse();
}

/** What fits an input: tables first where it takes one, then layers, the top one first. */
export function choicesFor(
  input: PluginInput,
  layers: readonly Layer[],
  tables: readonly InputChoice[],
): readonly InputChoice[] {
  const found = layers.filter((layer) => fits(input, layer));
  return input.kind === "table" ? [...tables, ...found] : found;
}

/** The input of an operation for which this can be chosen; null: it does not take such. */
export function inputFor(
  operation: PluginOperation,
  id: InputId,
  layers: readonly Layer[],
  tables: readonly InputChoice[],
): PluginInput | null {
  if (operation.refused !== "") return null;
  const takes = (input: PluginInput) =>
    choicesFor(input, layers, tables).some((one) => one.id === id);
  return operation.inputs.find(takes) ?? null;
}

/** Why there is nothing to be chosen. */
export function nothingFor({ kind }: PluginInput): string {
  switch (kind) {
    case "image":
      return "No image is open.";
    case "labels":
      return "No labels are open: they come from a file, or from a plugin.";
    case "points":
      return "No points are open: they come from a CSV or Parquet file, or from a plugin.";
    case "table":
      return "There is no table yet: it comes from a plugin. Open points are one, too.";
    case "shapes":
      return "Shapes cannot be drawn here: give them on the command line, from Python or in napari.";
    default:
      return `A plugin can be given ${kind} from Python only.`;
  }
}

/** "count.csv · Count, cells": jobs of one operation give files of one name. */
function nameOf(job: Job, file: string): string {
  return `${file} · ${job.title}`;
}
