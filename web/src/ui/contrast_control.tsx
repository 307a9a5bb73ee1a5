/** Contrast limits: two handles over the histogram, number fields, auto and reset. */
import { useSignal } from "@preact/signals";
import type { Layer, LayerSettings, Pair } from "../viewer/types.ts";
import { colourRamp } from "./colour_ramp.ts";
import {
  contrastStep,
  dataSpan,
  fullSpan,
  histogramPath,
  isInteger,
  tonePath,
} from "./contrast_span.ts";
import type { Desk } from "./desk.ts";
import type { HistogramSource, HistogramState } from "./histogram_source.ts";
import { clamp, trimmed } from "./numbers.ts";
import { NumberField } from "./slider.tsx";

const WIDTH = 256;
const HEIGHT = 64;

type ContrastControlProps = {
  readonly desk: Desk;
  readonly histograms: HistogramSource;
  readonly layer: Layer;
  readonly settings: LayerSettings;
};

export function ContrastControl({ desk, histograms, layer, settings }: ContrastControlProps) {
  const closeUp = useSignal(true);
  const state = histograms.state.value;
  const histogram = state.kind === "shown" && state.layer === layer.id ? state.histogram : null;
  const contrast = settings.contrast;
  const full = fullSpan(layer, contrast);
  const close = histogram && dataSpan(histogram, contrast);
  const worthIt = close !== null && close[1] - close[0] < 0.8 * (full[1] - full[0]);
  const span = worthIt && closeUp.value && close ? close : full;
  const step = contrastStep(layer, span);
  const change = (limits: Pair) => desk.changeLayer(layer.id, { contrast: limits });
  const auto = async () => {
    try {
      const { auto: limits } = await histograms.now(layer);
      if (limits[0] < limits[1]) change([limits[0], limits[1]]);
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      desk.notices.add({ severity: "warning", text: `No automatic contrast: ${reason}` });
    }
  };

  return (
    <fieldset class="contrast">
      <legend class="contrast-title">
        <span class="field-label">Contrast limits</span>
        {worthIt && (
          <button
            type="button"
            class="link-button"
            title={`Let the slider span ${trimmed(full[0])} to ${trimmed(full[1])}, or the data only`}
            onClick={() => {
              closeUp.value = !closeUp.value;
            }}
          >
            {closeUp.value ? "Full range" : "Data range"}
          </button>
        )}
      </legend>
      <div class="histogram">
        <svg
          viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
          preserveAspectRatio="none"
          role="img"
          aria-label={histogramLabel(state)}
        >
          {histogram && (
            <path class="histogram-bars" d={histogramPath(histogram, span, WIDTH, HEIGHT)} />
          )}
          <path
            class="histogram-tone"
            d={tonePath(contrast, settings.gamma, span, WIDTH, HEIGHT)}
          />
        </svg>
        {state.kind === "failed" && <p class="histogram-message">{state.reason}</p>}
        <Handles span={span} step={step} contrast={contrast} onChange={change} />
      </div>
      {layer.kind === "image" && (
        <div class="ramp" aria-hidden="true">
          <div
            class="ramp-colours"
            style={{
              ...between(contrast, span),
              background: colourRamp(settings.colormap, desk.colormaps),
            }}
          />
        </div>
      )}
      <div class="contrast-fields">
        <NumberField
          label="Minimum"
          value={contrast[0]}
          step={isInteger(layer) ? 1 : step}
          accepts={(low) => low < contrast[1]}
          onCommit={(low) => change([low, contrast[1]])}
        />
        <div class="contrast-buttons">
          <button type="button" class="button" onClick={auto} title="Fit the limits to this slice">
            Auto
          </button>
          <button
            type="button"
            class="button"
            title="Back to the limits that the image was opened with"
            onClick={() => desk.resetLayer(layer.id, ["contrast"])}
          >
            Reset
          </button>
        </div>
        <NumberField
          label="Maximum"
          value={contrast[1]}
          step={isInteger(layer) ? 1 : step}
          accepts={(high) => high > contrast[0]}
          onCommit={(high) => change([contrast[0], high])}
        />
      </div>
    </fieldset>
  );
}

type HandlesProps = {
  readonly span: Pair;
  readonly step: number;
  readonly contrast: Pair;
  readonly onChange: (contrast: Pair) => void;
};

/** Two sliders on one track: each takes the pointer at its handle only. */
function Handles({ span, step, contrast, onChange }: HandlesProps) {
  const [low, high] = contrast;
  const common = {
    class: "handle",
    min: span[0],
    max: span[1],
    step: "any",
  } as const;
  const nudge = (event: KeyboardEvent, index: 0 | 1) => {
    const steps = KEY_STEPS[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    const moved = (contrast[index] ?? 0) + steps * step * (event.shiftKey ? 10 : 1);
    move(index, moved);
  };
  const move = (index: 0 | 1, value: number) => {
    const rounded = clamp(Math.round(value / step) * step, span[0], span[1]);
    if (index === 0) onChange([Math.min(rounded, high - step), high]);
    else onChange([low, Math.max(rounded, low + step)]);
  };
  return (
    <>
      <div class="histogram-window" style={between(contrast, span)} />
      <input
        type="range"
        {...common}
        value={low}
        aria-label="Contrast minimum"
        aria-valuetext={trimmed(low)}
        onKeyDown={(event) => nudge(event, 0)}
        onInput={(event) => move(0, event.currentTarget.valueAsNumber)}
      />
      <input
        type="range"
        {...common}
        value={high}
        aria-label="Contrast maximum"
        aria-valuetext={trimmed(high)}
        onKeyDown={(event) => nudge(event, 1)}
        onInput={(event) => move(1, event.currentTarget.valueAsNumber)}
      />
    </>
  );
}

const KEY_STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -1,
  ArrowDown: -1,
  ArrowRight: 1,
  ArrowUp: 1,
  PageDown: -50,
  PageUp: 50,
};

function between(contrast: Pair, span: Pair): { left: string; right: string } {
  const at = (value: number) => clamp((value - span[0]) / (span[1] - span[0]), 0, 1) * 100;
  return { left: `${at(contrast[0])}%`, right: `${100 - at(contrast[1])}%` };
}

function histogramLabel(state: HistogramState): string {
  if (state.kind === "shown") {
    const { low, high } = state.histogram;
    return `Histogram of this slice, from ${trimmed(low)} to ${trimmed(high)}`;
  }
  return state.kind === "failed" ? "No histogram" : "Histogram is being computed";
}
