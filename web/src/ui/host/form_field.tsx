/** One parameter of a form: its title, what fits its type, help, and what is wrong. */
import { useId } from "preact/hooks";
import { parseNumber } from "../numbers.ts";
import { filledTo } from "../slider.tsx";
import {
  boundsText,
  choicesOf,
  type Entry,
  fieldKind,
  isNullable,
  type Range,
  sliderRange,
  startEntry,
  stepped,
  tidy,
} from "./form_values.ts";
import type { FormProperty, FormValue } from "./host_service.ts";

type FormFieldProps = {
  readonly property: FormProperty;
  readonly entry: Entry;
  readonly problem: string | null;
  readonly onEnter: (entry: Entry) => void;
  /** The field was left, or its value is whole without that. */
  readonly onLeave: () => void;
};

/** What every control is given. */
type ControlProps = FormFieldProps & {
  readonly attributes: {
    readonly id: string;
    readonly "aria-describedby"?: string;
    readonly "aria-invalid": boolean;
  };
};

export function FormField(props: FormFieldProps) {
  const { property, problem } = props;
  const id = useId();
  const kind = fieldKind(property);
  const descriptions = [property.description && `${id}-help`, problem && `${id}-problem`];
  const describedBy = descriptions.filter(Boolean).join(" ");
  const attributes = {
    id,
    ...(describedBy ? { "aria-describedby": describedBy } : {}),
    "aria-invalid": problem !== null,
  };
  const control = { ...props, attributes };
  const range = kind === "number" ? sliderRange(property) : null;
  return (
    <div class={`form-field form-field-${kind}`}>
      <div class="form-line">
        {kind === "checkbox" && <CheckboxControl {...control} />}
        <label class="form-label" for={id} title={property.title}>
          {property.title}
        </label>
        {isNullable(property) && kind !== "choice" && <NoneBox {...props} />}
        {kind === "number" && <NumberControl {...control} />}
        {kind === "choice" && <ChoiceControl {...control} />}
        {(kind === "text" || kind === "path") && <TextControl {...control} kind={kind} />}
      </div>
      {range && <SliderControl {...control} range={range} />}
      {property.description && (
        <p class="form-help" id={`${id}-help`}>
          {property.description}
        </p>
      )}
      {problem && (
        <p class="form-problem" id={`${id}-problem`}>
          {problem}
        </p>
      )}
    </div>
  );
}

function NumberControl({ property, entry, attributes, onEnter, onLeave }: ControlProps) {
  const press = (event: KeyboardEvent) => {
    const direction = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (direction === undefined) return;
    event.preventDefault();
    onEnter(stepped(property, entry, direction * (event.shiftKey ? 10 : 1)));
  };
  return (
    <>
      <input
        type="text"
        inputMode="decimal"
        class="number"
        title={boundsText(property)}
        placeholder={entry === null ? "none" : "needed"}
        spellcheck={false}
        autocomplete="off"
        disabled={entry === null}
        value={entry === null ? "" : String(entry)}
        onInput={(event) => onEnter(event.currentTarget.value)}
        onKeyDown={press}
        onBlur={onLeave}
        {...attributes}
      />
      {property.unit && <span class="form-unit">{property.unit}</span>}
    </>
  );
}

type SliderControlProps = ControlProps & { readonly range: Range };

function SliderControl({ property, entry, range, onEnter, onLeave }: SliderControlProps) {
  const { low, high, step } = range;
  const value = (typeof entry === "string" ? parseNumber(entry) : null) ?? low;
  return (
    <input
      type="range"
      class="range"
      aria-label={property.title}
      aria-valuetext={`${value}${property.unit ? ` ${property.unit}` : ""}`}
      title={property.default === undefined ? "" : "Double click for the default"}
      min={low}
      max={high}
      step={step}
      disabled={entry === null}
      value={value}
      style={filledTo((value - low) / (high - low))}
      onInput={(event) => onEnter(String(tidy(event.currentTarget.valueAsNumber)))}
      onChange={onLeave}
      onDblClick={() => onEnter(startEntry(property))}
    />
  );
}

function CheckboxControl({ entry, attributes, onEnter }: ControlProps) {
  return (
    <input
      type="checkbox"
      class="checkbox"
      checked={entry === true}
      onChange={(event) => onEnter(event.currentTarget.checked)}
      {...attributes}
    />
  );
}

function ChoiceControl({ property, entry, attributes, onEnter, onLeave }: ControlProps) {
  const choices = choicesOf(property);
  const at = entry === undefined ? -1 : choices.indexOf(entry);
  return (
    <select
      class="select"
      value={String(at)}
      onChange={(event) => {
        onEnter(choices[Number(event.currentTarget.value)]);
        onLeave();
      }}
      {...attributes}
    >
      {at < 0 && (
        <option value="-1" disabled>
          Choose …
        </option>
      )}
      {choices.map((choice, index) => (
        <option key={String(choice)} value={String(index)}>
          {choiceText(choice)}
        </option>
      ))}
    </select>
  );
}

type TextControlProps = ControlProps & { readonly kind: "text" | "path" };

function TextControl({ kind, entry, attributes, onEnter, onLeave }: TextControlProps) {
  return (
    <input
      type="text"
      class="text"
      placeholder={entry === null ? "none" : kind === "path" ? "A path on the host's computer" : ""}
      spellcheck={false}
      autocomplete="off"
      disabled={entry === null}
      value={entry === null ? "" : String(entry ?? "")}
      onInput={(event) => onEnter(event.currentTarget.value)}
      onBlur={onLeave}
      {...attributes}
    />
  );
}

/** Nothing is a value of its own: an empty field is one that was not filled in. */
function NoneBox({ property, entry, onEnter }: FormFieldProps) {
  const leave = () => {
    const start = startEntry(property);
    return start === null ? "" : start;
  };
  return (
    <label class="form-none">
      <input
        type="checkbox"
        class="checkbox"
        aria-label={`${property.title}: none`}
        checked={entry === null}
        onChange={(event) => onEnter(event.currentTarget.checked ? null : leave())}
      />
      none
    </label>
  );
}

function choiceText(choice: FormValue): string {
  if (choice === null) return "None";
  if (typeof choice === "boolean") return choice ? "Yes" : "No";
  return String(choice);
}
