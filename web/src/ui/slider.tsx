/** A labelled slider with its value beside it, and a number field. */
import { useEffect, useRef, useState } from "preact/hooks";
import { clamp, parseNumber, trimmed } from "./numbers.ts";

type SliderProps = {
  readonly label: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
  readonly step: number | "any";
  /** What is written beside it, and read aloud. */
  readonly text: string;
  readonly onInput: (value: number) => void;
  /** Double click on the slider. */
  readonly onReset: () => void;
};

export function Slider(props: SliderProps) {
  const { label, value, low, high, step, text, onInput, onReset } = props;
  return (
    <label class="field">
      <span class="field-label">{label}</span>
      <input
        type="range"
        class="range"
        min={low}
        max={high}
        step={step}
        value={value}
        aria-label={label}
        aria-valuetext={text}
        title="Double click to reset"
        style={filledTo((value - low) / (high - low))}
        onInput={(event) => onInput(event.currentTarget.valueAsNumber)}
        onDblClick={onReset}
      />
      <output class="field-value">{text}</output>
    </label>
  );
}

/** How much of a slider's track is drawn in the accent colour. */
export function filledTo(fraction: number): Record<string, string> {
  return { "--filled": `${(clamp(fraction, 0, 1) * 100).toFixed(2)}%` };
}

type NumberFieldProps = {
  readonly label: string;
  readonly value: number;
  readonly step: number | "any";
  readonly accepts: (value: number) => boolean;
  readonly onCommit: (value: number) => void;
};

/** Takes effect on Enter or when left, not while one types half a number. */
export function NumberField({ label, value, step, accepts, onCommit }: NumberFieldProps) {
  const input = useRef<HTMLInputElement>(null);
  const [typed, setTyped] = useState<string | null>(null);
  const [wrong, setWrong] = useState(false);
  useEffect(() => {
    if (document.activeElement !== input.current) setTyped(null);
  });
  const commit = () => {
    if (typed === null) return;
    const number = parseNumber(typed);
    const fine = number !== null && accepts(number);
    setWrong(!fine);
    if (!fine) return;
    setTyped(null);
    if (number !== value) onCommit(number);
  };
  const leave = () => {
    commit();
    setTyped(null);
    setWrong(false);
  };
  const nudge = (event: KeyboardEvent) => {
    if (event.key === "Enter") commit();
    else if (event.key === "Escape") {
      setTyped(null);
      setWrong(false);
    } else if ((event.key === "ArrowUp" || event.key === "ArrowDown") && step !== "any") {
      event.preventDefault();
      const steps = (event.key === "ArrowUp" ? 1 : -1) * (event.shiftKey ? 10 : 1);
      setTyped(null);
      const next = value + steps * step;
      if (accepts(next)) onCommit(next);
    }
  };
  return (
    <input
      ref={input}
      type="text"
      inputMode="decimal"
      class="number"
      aria-label={label}
      aria-invalid={wrong}
      spellcheck={false}
      autocomplete="off"
      value={typed ?? trimmed(value)}
      onInput={(event) => setTyped(event.currentTarget.value)}
      onFocus={(event) => event.currentTarget.select()}
      onKeyDown={nudge}
      onBlur={leave}
    />
  );
}
