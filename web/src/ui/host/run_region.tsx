/** What an operation is run on: what is visible, or the whole image at a level, at one slice or all. */
import { useId } from "preact/hooks";
import type { Layer } from "../../viewer/types.ts";
import type { Desk } from "../desk.ts";
import type { RunPlan } from "./run_plan.ts";
import { levelText } from "./run_target.ts";

type SlicesProps = { readonly desk: Desk; readonly plan: RunPlan };
type RunRegionProps = SlicesProps & {
  /** What runs gets one plane or volume, and no others after it. */
  readonly isOneCall?: boolean;
};

export function RunRegion({ desk, plan, isOneCall = false }: RunRegionProps) {
  const name = useId();
  const layer = plan.leading.value;
  if (!layer) return null;
  const { region } = plan.draft;
  const choice = (value: "visible" | "whole", text: string) => (
    <label class="segment">
      <input
        type="radio"
        name={name}
        checked={region.value === value}
        onChange={() => {
          region.value = value;
        }}
      />
      <span>{text}</span>
    </label>
  );
  return (
    <fieldset class="run-region">
      <legend class="form-heading">Run on</legend>
      <div class="segments">
        {choice("visible", "Visible region")}
        {choice("whole", "Whole image")}
      </div>
      {plan.mayBeVolumes.value && <VolumePicker plan={plan} />}
      {region.value === "whole" && (
        <>
          <LevelPicker plan={plan} layer={layer} />
          {!isOneCall && plan.otherAxes.value.length > 0 && (
            <SlicesPicker desk={desk} plan={plan} />
          )}
        </>
      )}
    </fieldset>
  );
}

function LevelPicker({ plan, layer }: { readonly plan: RunPlan; readonly layer: Layer }) {
  const id = useId();
  const worked = plan.axes.value;
  return (
    <div class="form-line">
      <label class="form-label" for={id}>
        Level
      </label>
      <select
        id={id}
        class="select"
        value={String(plan.level.value)}
        onChange={(event) => {
          plan.draft.chooseLevel(layer.id, Number(event.currentTarget.value));
        }}
      >
        {layer.levels.map((level, index) => (
          <option key={level.shape.join()} value={String(index)}>
            {index}: {levelText(layer, index, worked)}
          </option>
        ))}
      </select>
    </div>
  );
}

function VolumePicker({ plan }: { readonly plan: RunPlan }) {
  const id = useId();
  return (
    <div class="form-line">
      <label class="form-label" for={id}>
        Axes
      </label>
      <select
        id={id}
        class="select"
        value={plan.draft.volumes.value ? "volumes" : "planes"}
        onChange={(event) => {
          plan.draft.volumes.value = event.currentTarget.value === "volumes";
        }}
      >
        <option value="planes">Planes (y, x)</option>
        <option value="volumes">Volumes (z, y, x)</option>
      </select>
    </div>
  );
}

function SlicesPicker({ desk, plan }: SlicesProps) {
  const id = useId();
  const axes = plan.otherAxes.value;
  const count = axes.reduce((product, axis) => product * axis.count, 1);
  const here = axes.flatMap(({ name }) => {
    const slider = desk.axes.value.find((axis) => axis.name === name);
    return slider ? [`${name} ${desk.sliceIndex(slider)}`] : [];
  });
  const all = axes.map((axis) => `${axis.name} ${axis.count}`).join(" × ");
  return (
    <div class="form-line">
      <label class="form-label" for={id}>
        Slices
      </label>
      <select
        id={id}
        class="select"
        value={plan.draft.slices.value}
        onChange={(event) => {
          plan.draft.slices.value = event.currentTarget.value === "all" ? "all" : "shown";
        }}
      >
        <option value="shown">This slice: {here.join(", ")}</option>
        <option value="all">
          All {count} slices: {all}
        </option>
      </select>
    </div>
  );
}
