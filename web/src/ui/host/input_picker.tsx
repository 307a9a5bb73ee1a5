/** Which layer an operation gets for an input. */
import { useId } from "preact/hooks";
import type { Desk } from "../desk.ts";
import type { PluginInput } from "./host_service.ts";
import type { RunPlan } from "./run_plan.ts";
import { fits } from "./run_target.ts";

/** Choices that are no layer. */
const PROPOSED = "proposed";
const NONE = "none";

type InputPickerProps = {
  readonly desk: Desk;
  readonly plan: RunPlan;
  readonly input: PluginInput;
};

export function InputPicker({ desk, plan, input }: InputPickerProps) {
  const id = useId();
  const layers = desk.layers.value.filter((layer) => fits(input, layer));
  const chosen = plan.draft.layers.value.get(input.name);
  const isThere = layers.some((layer) => layer.id === chosen);
  // Before there is a scene, nothing is missing yet.
  const problem = (desk.scene.value && plan.inputProblems.value.get(input.name)) ?? null;
  const choose = (value: string) => {
    if (value === PROPOSED) plan.draft.choose(input.name, undefined);
    else plan.draft.choose(input.name, value === NONE ? null : Number(value));
  };
  const proposed = layers.find((layer) => layer.id === plan.proposed.value.get(input.name));
  return (
    <div class="form-field form-field-input">
      <div class="form-line">
        <label class="form-label" for={id} title={input.title}>
          {input.title}
        </label>
        {problem === null && (
          <select
            id={id}
            class="select"
            value={isThere ? String(chosen) : input.optional ? NONE : PROPOSED}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            {input.optional ? (
              <option value={NONE}>None</option>
            ) : (
              <option value={PROPOSED}>
                {proposed && `${reasonFor(desk, proposed.id)}: ${proposed.name}`}
              </option>
            )}
            {layers.map((layer) => (
              <option key={layer.id} value={String(layer.id)}>
                {layer.name}
              </option>
            ))}
          </select>
        )}
      </div>
      {input.description && <p class="form-help">{input.description}</p>}
      {problem && <p class="form-problem">{problem}</p>}
    </div>
  );
}

function reasonFor(desk: Desk, id: number): string {
  if (desk.selected.value === id) return "Selected layer";
  return desk.recentlySelected.value.includes(id) ? "Last selected" : "Top layer";
}
