/** What would be run: an operation with what was chosen for it, on what is on the screen. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import type { Layer } from "../../viewer/types.ts";
import type { Desk } from "../desk.ts";
import { clamp } from "../numbers.ts";
import type { FormDraft } from "./form_draft.ts";
import { type CheckedForm, checkForm } from "./form_values.ts";
import type { PluginOperation, RunRequest } from "./host_service.ts";
import { choicesFor, type InputChoice, type InputId, nothingFor } from "./input_choices.ts";
import {
  type Inputs,
  leadingInput,
  mayBeVolumes,
  type OtherAxis,
  otherAxes,
  proposedInputs,
  whereOf,
  workedAxes,
} from "./run_target.ts";

const VOLUME = "zyx";

export class RunPlan {
  readonly operation: PluginOperation;
  readonly draft: FormDraft;
  /** That jobs gave, the latest first. */
  readonly tables: ReadonlySignal<readonly InputChoice[]>;
  /** Layers that are proposed where none was chosen. */
  readonly proposed: ReadonlySignal<Inputs>;
  readonly inputs: ReadonlySignal<Inputs>;
  /** The layer whose levels and axes there are to choose from. */
  readonly leading: ReadonlySignal<Layer | null>;
  readonly level: ReadonlySignal<number>;
  /** Whether there is a choice between planes and volumes. */
  readonly mayBeVolumes: ReadonlySignal<boolean>;
  /** That each call works on. */
  readonly axes: ReadonlySignal<string>;
  readonly otherAxes: ReadonlySignal<readonly OtherAxis[]>;
  readonly form: ReadonlySignal<CheckedForm>;
  /** Inputs without a layer, and why. */
  readonly inputProblems: ReadonlySignal<ReadonlyMap<string, string>>;
  /** Null while something is missing or wrong. */
  readonly request: ReadonlySignal<RunRequest | null>;

  constructor(
    desk: Desk,
    plugin: string,
    operation: PluginOperation,
    draft: FormDraft,
    tables: ReadonlySignal<readonly InputChoice[]> = signal([]),
    /** Whether optional inputs are proposed something, too. */
    proposesAll = false,
  ) {
    this.operation = operation;
    this.draft = draft;
    this.tables = tables;
    const layerOf = (id: InputId | null | undefined) =>
      desk.layers.value.find((layer) => layer.id === id) ?? null;

    this.proposed = computed(() =>
      proposedInputs(
        operation.inputs,
        desk.layers.value,
        desk.recentlySelected.value,
        (layer) => desk.settingsOf(layer).visible,
        tables.value,
        proposesAll,
      ),
    );
    this.inputs = computed(() => {
      const inputs = operation.inputs.flatMap((input): [string, InputId][] => {
        const chosen = draft.layers.value.get(input.name);
        if (chosen === null && input.optional) return [];
        // What was chosen may have gone.
        const isThere = choicesFor(input, desk.layers.value, tables.value).some(
          (choice) => choice.id === chosen,
        );
        const id = isThere ? chosen : this.proposed.value.get(input.name);
        return id === undefined || id === null ? [] : [[input.name, id]];
      });
      return new Map(inputs);
    });
    this.inputProblems = computed(() => {
      const missing = operation.inputs.filter(
        (input) => !input.optional && !this.inputs.value.has(input.name),
      );
      return new Map(missing.map((input) => [input.name, nothingFor(input)]));
    });
    this.leading = computed(() =>
      layerOf(this.inputs.value.get(leadingInput(operation)?.name ?? "")),
    );
    this.level = computed(() => {
      const layer = this.leading.value;
      return layer ? clamp(draft.levelOf(layer.id), 0, layer.levels.length - 1) : 0;
    });
    this.mayBeVolumes = computed(() => {
      const layer = this.leading.value;
      return layer !== null && mayBeVolumes(operation, layer, this.level.value);
    });
    this.axes = computed(() =>
      this.mayBeVolumes.value && draft.volumes.value ? VOLUME : workedAxes(operation),
    );
    this.otherAxes = computed(() => {
      const layer = this.leading.value;
      return layer ? otherAxes(layer, this.axes.value, this.level.value) : [];
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
        ...(this.axes.value === workedAxes(operation) ? {} : { axes: this.axes.value }),
      };
    });
  }
}
