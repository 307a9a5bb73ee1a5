/** How labels are drawn: filled or as outlines, all or some. */
import type { Layer, LayerSettings } from "../viewer/types.ts";
import type { Desk } from "./desk.ts";
import { Slider } from "./slider.tsx";

const WIDEST = 8;

type LabelControlsProps = {
  readonly desk: Desk;
  readonly layer: Layer;
  readonly settings: LayerSettings;
};

export function LabelControls({ desk, layer, settings }: LabelControlsProps) {
  const { contour = 0, only = "", hidden = [] } = settings;
  return (
    <>
      <Slider
        label="Contour"
        value={contour}
        low={0}
        high={WIDEST}
        step={1}
        text={contour === 0 ? "filled" : `${contour} px`}
        onInput={(next) => desk.changeLayer(layer.id, { contour: next })}
        onReset={() => desk.changeLayer(layer.id, { contour: 0 })}
      />
      <div class="field">
        <span class="field-label">Labels</span>
        <span class="label-choice">{choiceText(only, hidden)}</span>
        {(only !== "" || hidden.length > 0) && (
          <button
            type="button"
            class="button"
            onClick={() => desk.changeLayer(layer.id, { only: "", hidden: [] })}
          >
            Show all
          </button>
        )}
      </div>
    </>
  );
}

function choiceText(only: string, hidden: readonly string[]): string {
  if (only !== "") return `${only} alone`;
  if (hidden.length === 0) return "all";
  return hidden.length === 1 ? `all but ${hidden[0]}` : `${hidden.length} hidden`;
}
