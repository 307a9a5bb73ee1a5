/** The clipping box of a volume: for each axis two handles, between which it is shown. */
import { useSignal } from "@preact/signals";
import type { Box, Triple, VolumeView } from "../viewer/types.ts";
import { volumeExtent } from "../viewer/volumes/volume_motion.ts";
import type { Desk } from "./desk.ts";
import { clamp, formatAt } from "./numbers.ts";

/** A span is cut in so many steps. */
const STEPS = 500;
/** Of a step, as which positions are told. */
const TOLD = 1 / 10;
/** With the keyboard. */
const KEY_STEPS: Readonly<Record<string, number>> = {
  ArrowLeft: -5,
  ArrowDown: -5,
  ArrowRight: 5,
  ArrowUp: 5,
  PageDown: -50,
  PageUp: 50,
};

type ClipProps = { readonly desk: Desk; readonly volume: VolumeView };

export function ClipControl({ desk, volume }: ClipProps) {
  const open = useSignal(false);
  const shown = desk.layers.value.filter((layer) => desk.settingsOf(layer).visible);
  const extent = volumeExtent(shown, volume.displayed);
  if (!extent) return null;
  const [low, high] = volume.clip ?? extent;
  const change = (axis: number, from: number, to: number) => {
    const set = (triple: Triple, value: number) =>
      triple.map((one, i) => (i === axis ? value : one)) as unknown as Triple;
    const box: Box = [set(low, from), set(high, to)];
    const whole = extent[0].every(
      (edge, i) => (box[0][i] ?? 0) <= edge && (box[1][i] ?? 0) >= (extent[1][i] ?? 0),
    );
    desk.changeVolume({ clip: whole ? null : box });
  };
  return (
    <>
      <button
        type="button"
        class="button"
        aria-expanded={open.value}
        aria-pressed={volume.clip !== null}
        title="Show only what lies in a box"
        onClick={() => {
          open.value = !open.value;
        }}
      >
        Clip
      </button>
      {open.value && (
        <fieldset class="clip">
          <legend class="visually-hidden">Clipping box</legend>
          {volume.displayed.map((name, axis) => (
            <Span
              key={name}
              name={name}
              from={extent[0][axis] ?? 0}
              to={extent[1][axis] ?? 1}
              low={low[axis] ?? 0}
              high={high[axis] ?? 1}
              onChange={(from, to) => change(axis, from, to)}
            />
          ))}
          <button
            type="button"
            class="button"
            disabled={volume.clip === null}
            onClick={() => desk.changeVolume({ clip: null })}
          >
            Reset
          </button>
        </fieldset>
      )}
    </>
  );
}

type SpanProps = {
  readonly name: string;
  readonly from: number;
  readonly to: number;
  readonly low: number;
  readonly high: number;
  readonly onChange: (low: number, high: number) => void;
};

function Span({ name, from, to, low, high, onChange }: SpanProps) {
  const step = (to - from) / STEPS;
  const handle = (end: "low" | "high") => {
    const value = clamp(end === "low" ? low : high, from, to);
    const move = (wanted: number) => {
      const at = clamp(wanted, from, to);
      if (end === "low") onChange(Math.min(at, high - step), high);
      else onChange(low, Math.max(at, low + step));
    };
    return (
      <input
        type="range"
        class="handle"
        min={from}
        max={to}
        step="any"
        value={value}
        aria-label={`${name}, ${end} end`}
        aria-valuetext={formatAt(value, step * TOLD)}
        onInput={(event) => move(event.currentTarget.valueAsNumber)}
        onDblClick={() => move(end === "low" ? from : to)}
        onKeyDown={(event) => {
          const steps = KEY_STEPS[event.key];
          if (steps === undefined) return;
          event.preventDefault();
          move(value + steps * step);
        }}
      />
    );
  };
  const percent = (at: number) => (clamp((at - from) / (to - from), 0, 1) * 100).toFixed(2);
  return (
    <div class="clip-axis">
      <span class="dim">{name}</span>
      <div class="clip-span">
        <div
          class="clip-part"
          style={{ left: `${percent(low)}%`, right: `${100 - Number(percent(high))}%` }}
        />
        {handle("low")}
        {handle("high")}
      </div>
      <output class="clip-ends">
        {formatAt(Math.max(low, from), step * TOLD)} – {formatAt(Math.min(high, to), step * TOLD)}
      </output>
    </div>
  );
}
