/** What would be run: an operation with what was chosen for it, on what is on the screen. */
import { computed, type ReadonlySignal } from "@preact/signals";
import type { Layer } from "../../viewer/types.ts";
import type { Desk } from "../desk.ts";
import { clamp } from "../numbers.ts";
import type { FormDraft } from "./form_draft.ts";
import { type CheckedForm, checkForm } from "./form_values.ts";
import type { PluginInput, PluginOperation, RunRequest } from "./host_service.ts";
import {
  fits,
  type Inputs,
  leadingInput,
  type OtherAxis,
  otherAxes,
  proposedInputs,
  whereOf,
  workedAxes,
} from "./run_target.ts";

export class RunPlan {
  readonly operation: PluginOperation;
  readonly draft: FormDraft;
  /** Layers that are proposed where none was chosen. */
  readonly proposed: ReadonlySignal<Inputs>;
  readonly inputs: ReadonlySignal<Inputs>;
  /** The layer whose levels and axes there are to choose from. */
  readonly leading: ReadonlySignal<Layer | null>;
  readonly level: ReadonlySignal<number>;
  readonly otherAxes: ReadonlySignal<readonly OtherAxis[]>;
  readonly form: ReadonlySignal<CheckedForm>;
  /** Inputs without a layer, and why. */
  readonly inputProblems: ReadonlySignal<ReadonlyMap<string, string>>;
  /** Null while something is missing or wrong. */
  readonly request: ReadonlySignal<RunRequest | null>;

  constructor(desk: Desk, plugin: string, operation: PluginOperation, draft: FormDraft) {
    this.operation = operation;
    this.draft = draft;
    const layerOf = (id: number | null | undefined) =>
      desk.layers.value.find((layer) => layer.id === id) ?? null;

    this.proposed = computed(() =>
      proposedInputs(
        operation.inputs,
        desk.layers.value,
        desk.recentlySelected.value,
        (layer) => desk.settingsOf(layer).visible,
      ),
    );
    this.inputs = computed(() => {
      const inputs = operation.inputs.flatMap((input): [string, number][] => {
        const chosen = draft.layers.value.get(input.name);
        if (chosen === null && input.optional) return [];
        const layer = layerOf(chosen);
        // A layer that was chosen may have gone.
        const id = layer && fits(input, layer) ? layer.id : this.proposed.value.get(input.name);
        return id === undefined ? [] : [[input.name, id]];
      });
      return new Map(inputs);
    });
    this.inputProblems = computed(() => {
      const missing = operation.inputs.filter(
        (input) => !input.optional && !this.inputs.value.has(input.name),
      );
      return new Map(missing.map((input) => [input.name, noLayer(input)]));
    });
    this.leading = computed(() =>
      layerOf(this.inputs.value.get(leadingInput(operation)?.name ?? "")),
    );
    this.level = computed(() => {
      const layer = this.leading.value;
      return layer ? clamp(draft.levelOf(layer.id), 0, layer.levels.length - 1) : 0;
    });
    this.otherAxes = computed(() => {
      const layer = this.leading.value;
      return layer ? otherAxes(layer, workedAxes(operation), this.level.value) : [];
    });
    this.form = computed(() => checkForm(operation.form, draft.entries.value));
    this.request = computed(() => {
      const camera = desk.camera.value;
      const { values, problems } = this.form.value;
      if (!camera || problems.size > 0 || this.inputProblems.value.size > 0) return null;
      const slices = this.otherAxes.value.length > 0 ? draft.slices.value : "shown";
      const choice =
        draft.region.value === "visible"
          ? ({ region: "visible" } as const)
          : ({ region: "whole", level: this.level.value, slices } as const);
      return {
        plugin,
        operation: operation.name,
        inputs: Object.fromEntries(this.inputs.value),
        parameters: values,
        where: whereOf(choice, camera, desk.viewer.size),
      };
    });
  }
}

function noLayer({ kind }: PluginInput): string {
  if (kind === "image") return "No image is open.";
  if (kind === "labels") return "No labels are open: they come from a file, or from a plugin.";
  return `Opsin cannot give a plugin ${kind} yet.`;
}
