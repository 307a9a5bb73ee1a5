/** Which layer an operation gets for an input. */
import { useId } from "preact/hooks";
import type { Desk } from "../desk.ts";
import type { PluginInput } from "./host_service.ts";
import { choicesFor, type InputId } from "./input_choices.ts";
import type { RunPlan } from "./run_plan.ts";

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
  const choices = choicesFor(input, desk.layers.value, plan.tables.value);
  const chosen = plan.draft.layers.value.get(input.name);
  const isThere = choices.some((choice) => choice.id === chosen);
  // Before there is a scene, nothing is missing yet.
  const problem = (desk.scene.value && plan.inputProblems.value.get(input.name)) ?? null;
  const choose = (value: string) => {
    if (value === PROPOSED) plan.draft.choose(input.name, undefined);
    else if (value === NONE) plan.draft.choose(input.name, null);
    else plan.draft.choose(input.name, choices.find(({ id }) => String(id) === value)?.id);
  };
  const proposed = choices.find(({ id }) => id === plan.proposed.value.get(input.name));
  const isNone = chosen === null || (input.optional && !proposed);
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
            value={isThere ? String(chosen) : isNone ? NONE : PROPOSED}
            onChange={(event) => choose(event.currentTarget.value)}
          >
            {input.optional && <option value={NONE}>None</option>}
            {(proposed || !input.optional) && (
              <option value={PROPOSED}>
                {proposed && `${reasonFor(desk, proposed.id)}: ${proposed.name}`}
              </option>
            )}
            {choices.map(({ id, name }) => (
              <option key={id} value={String(id)}>
                {name}
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

function reasonFor(desk: Desk, id: InputId): string {
  if (typeof id === "string") return "Latest";
  if (desk.selected.value === id) return "Selected layer";
  return desk.recentlySelected.value.includes(id) ? "Last selected" : "Top layer";
}
