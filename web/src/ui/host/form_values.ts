/**
 * What the fields of a form hold, and what a run is given for it. Pure.
 *
 * The rules are those of `opsin.plugins.parameters`: what passes here passes there.
 */
import { clamp, parseNumber } from "../numbers.ts";
import type { Form, FormProperty, FormValue } from "./host_service.ts";

/** What a field holds: numbers as they were typed; undefined where nothing was chosen yet. */
export type Entry = FormValue | undefined;
export type Entries = ReadonlyMap<string, Entry>;

export type Checked =
  | { readonly value: FormValue; readonly problem?: undefined }
  | { readonly problem: string; readonly value?: undefined };

export type FieldKind = "number" | "checkbox" | "choice" | "text" | "path";

export type CheckedForm = {
  /** Of every parameter; incomplete where there are problems. */
  readonly values: Readonly<Record<string, FormValue>>;
  readonly problems: ReadonlyMap<string, string>;
};

/** Whole numbers beyond this are not the same in every language. */
const LARGEST_INTEGER = 2 ** 53;
/** A slider without a step of its own has about this many. */
const SLIDER_STEPS = 100;
/** Sums of decimal steps are off in the sixteenth digit; nobody means that. */
const DIGITS = 12;

export function fieldKind(property: FormProperty): FieldKind {
  if (property.enum) return "choice";
  const type = valueType(property);
  if (type === "number" || type === "integer") return "number";
  // Yes, no or nothing: a checkbox has no third state that one could choose.
  if (type === "boolean") return isNullable(property) ? "choice" : "checkbox";
  return property.format === "path" ? "path" : "text";
}

export function isNullable({ type }: FormProperty): boolean {
  return typeof type !== "string" && type.includes("null");
}

export function isInteger(property: FormProperty): boolean {
  return valueType(property) === "integer";
}

/** What may be chosen, in order. */
export function choicesOf(property: FormProperty): readonly FormValue[] {
  return property.enum ?? [true, false, null];
}

/** What the field holds before anybody touches it. */
export function startEntry(property: FormProperty): Entry {
  const start = property.default;
  switch (fieldKind(property)) {
    case "number":
      return start === undefined ? "" : start === null ? null : String(start);
    case "checkbox":
      return start ?? false;
    case "choice":
      return start;
    default:
      return start === undefined ? "" : start;
  }
}

/** What the field holds when it stands for a value. */
export function entryFor(property: FormProperty, value: FormValue): Entry {
  return fieldKind(property) === "number" && value !== null ? String(value) : value;
}

export function entryOf(form: Form, entries: Entries, name: string): Entry {
  const property = form.properties[name];
  if (entries.has(name) || !property) return entries.get(name);
  return startEntry(property);
}

export function checkForm(form: Form, entries: Entries): CheckedForm {
  const values: Record<string, FormValue> = {};
  const problems = new Map<string, string>();
  for (const [name, property] of Object.entries(form.properties)) {
    const checked = checkEntry(property, entryOf(form, entries, name));
    if (checked.problem === undefined) values[name] = checked.value;
    else problems.set(name, checked.problem);
  }
  return { values, problems };
}

export function checkEntry(property: FormProperty, entry: Entry): Checked {
  if (entry === null && isNullable(property)) return { value: null };
  switch (fieldKind(property)) {
    case "number":
      return checkNumber(property, typeof entry === "number" ? String(entry) : entry);
    case "checkbox":
      return typeof entry === "boolean" ? { value: entry } : { problem: "Is it so, or not?" };
    case "choice":
      if (entry === undefined) return { problem: "Choose one." };
      return choicesOf(property).includes(entry)
        ? { value: entry }
        : { problem: `“${entry}” is no longer a choice.` };
    case "path":
      return checkPath(property, entry);
    case "text":
      return typeof entry === "string" ? { value: entry } : { problem: "Needs a text." };
  }
}

function checkPath(property: FormProperty, entry: Entry): Checked {
  const typed = typeof entry === "string" ? entry : "";
  if (typed.includes("\0")) return { problem: "A path has no zero bytes." };
  const mayBeEmpty = property.default === "";
  return typed === "" && !mayBeEmpty ? { problem: "Needs a path." } : { value: typed };
}

function checkNumber(property: FormProperty, entry: Entry): Checked {
  const typed = typeof entry === "string" ? entry : "";
  if (typed.trim() === "") return { problem: "Needs a number." };
  const value = parseNumber(typed);
  if (value === null) return { problem: "This is not a number." };
  if (isInteger(property)) {
    if (Math.abs(value) > LARGEST_INTEGER) return { problem: "Whole numbers go to ±2⁵³." };
    if (!Number.isInteger(value)) return { problem: "This is not a whole number." };
  }
  const problem = outOfBounds(property, value);
  return problem === null ? { value } : { problem };
}

function outOfBounds(property: FormProperty, value: number): string | null {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = property;
  if (minimum !== undefined && value < minimum) return `Must be at least ${minimum}.`;
  if (maximum !== undefined && value > maximum) return `Must be at most ${maximum}.`;
  if (exclusiveMinimum !== undefined && value <= exclusiveMinimum) {
    return `Must be more than ${exclusiveMinimum}.`;
  }
  if (exclusiveMaximum !== undefined && value >= exclusiveMaximum) {
    return `Must be less than ${exclusiveMaximum}.`;
  }
  if (multipleOf === undefined) return null;
  const share = value / multipleOf;
  const off = Math.abs(share - Math.round(share));
  const isMultiple = off <= 1e-9 * Math.max(1, Math.abs(share));
  return Number.isFinite(share) && !isMultiple ? `Must be a multiple of ${multipleOf}.` : null;
}

export type Range = { readonly low: number; readonly high: number; readonly step: number };

/** What a slider spans, every step of it allowed; null where the bounds do not make one. */
export function sliderRange(property: FormProperty): Range | null {
  const { multipleOf } = property;
  const bottom = property.minimum ?? property.exclusiveMinimum;
  const top = property.maximum ?? property.exclusiveMaximum;
  if (bottom === undefined || top === undefined || !(bottom < top)) return null;
  const step = property.step ?? multipleOf ?? stepWithin(property, top - bottom);
  let low = property.minimum ?? bottom + step;
  let high = property.maximum ?? top - step;
  if (multipleOf !== undefined) {
    low = Math.ceil(low / multipleOf - 1e-9) * multipleOf;
    high = Math.floor(high / multipleOf + 1e-9) * multipleOf;
  } else if (isInteger(property)) {
    low = Math.ceil(low);
    high = Math.floor(high);
  }
  return low < high ? { low: tidy(low), high: tidy(high), step } : null;
}

/** What a number becomes by some steps up or down: on the grid of its multiples, within its bounds. */
export function stepped(property: FormProperty, entry: Entry, steps: number): string {
  const { multipleOf } = property;
  const known = typeof entry === "string" ? parseNumber(entry) : null;
  const start = known ?? (typeof property.default === "number" ? property.default : 0);
  const range = sliderRange(property);
  const step = property.step ?? multipleOf ?? range?.step ?? stepNear(property, start);
  const low = property.minimum ?? (property.exclusiveMinimum ?? Number.NEGATIVE_INFINITY) + step;
  const high = property.maximum ?? (property.exclusiveMaximum ?? Number.POSITIVE_INFINITY) - step;
  let next = start + steps * step;
  if (multipleOf !== undefined) next = Math.round(next / multipleOf) * multipleOf;
  if (isInteger(property)) next = Math.round(next);
  return String(tidy(clamp(next, low, Math.max(low, high))));
}

export function tidy(value: number): number {
  return Number(value.toPrecision(DIGITS));
}

/** "1 to 20", "at least 0": what is said of a number's bounds; "" where there are none. */
export function boundsText(property: FormProperty): string {
  const { minimum, maximum, exclusiveMinimum, exclusiveMaximum, multipleOf } = property;
  const low =
    minimum !== undefined
      ? `at least ${minimum}`
      : exclusiveMinimum !== undefined
        ? `more than ${exclusiveMinimum}`
        : "";
  const high =
    maximum !== undefined
      ? `at most ${maximum}`
      : exclusiveMaximum !== undefined
        ? `less than ${exclusiveMaximum}`
        : "";
  const span =
    minimum !== undefined && maximum !== undefined ? [`${minimum} to ${maximum}`] : [low, high];
  const multiple = multipleOf === undefined ? "" : `a multiple of ${multipleOf}`;
  return [...span, multiple].filter(Boolean).join(", ");
}

function valueType({ type }: FormProperty): string {
  return typeof type === "string" ? type : (type.find((one) => one !== "null") ?? "string");
}

/** A round step that divides a span into about a hundred. */
function stepWithin(property: FormProperty, span: number): number {
  const step = 10 ** Math.floor(Math.log10(span / SLIDER_STEPS) + 1e-9);
  return isInteger(property) ? Math.max(1, step) : step;
}

/** A tenth of the leading digit of a value: what one changes it by without more knowledge. */
function stepNear(property: FormProperty, value: number): number {
  if (isInteger(property)) return 1;
  return value === 0 ? 0.1 : 10 ** (Math.floor(Math.log10(Math.abs(value))) - 1);
}
