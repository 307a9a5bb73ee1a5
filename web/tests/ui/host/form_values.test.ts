import { describe, expect, test } from "vitest";
import {
  boundsText,
  checkEntry,
  checkForm,
  type Entry,
  fieldKind,
  sliderRange,
  startEntry,
  stepped,
} from "../../../src/ui/host/form_values.ts";
import type { Form, FormProperty } from "../../../src/ui/host/host_service.ts";

function property(more: Partial<FormProperty> = {}): FormProperty {
  return { type: "number", title: "Sigma", ...more };
}
const problem = (more: Partial<FormProperty>, entry: Entry) =>
  checkEntry(property(more), entry).problem;
const value = (more: Partial<FormProperty>, entry: Entry) =>
  checkEntry(property(more), entry).value;

test.each<[Partial<FormProperty>, string]>([
  [{}, "number"],
  [{ type: "integer" }, "number"],
  [{ type: ["integer", "null"] }, "number"],
  [{ type: "boolean" }, "checkbox"],
  [{ type: ["boolean", "null"] }, "choice"],
  [{ type: "string" }, "text"],
  [{ type: "string", format: "path" }, "path"],
  [{ type: "string", enum: ["a"] }, "choice"],
])("%o is a field of kind %s", (more, kind) => {
  expect(fieldKind(property(more))).toBe(kind);
});

test.each<[Partial<FormProperty>, Entry]>([
  [{}, ""],
  [{ default: 2 }, "2"],
  [{ default: 0.05 }, "0.05"],
  [{ type: ["number", "null"], default: null }, null],
  [{ type: "boolean" }, false],
  [{ type: "boolean", default: true }, true],
  [{ type: "string" }, ""],
  [{ type: "string", enum: ["a", "b"] }, undefined],
  [{ type: "string", enum: ["a", "b"], default: "b" }, "b"],
])("%o starts as %o", (more, entry) => {
  expect(startEntry(property(more))).toBe(entry);
});

describe("numbers", () => {
  test("are taken as people write them", () => {
    expect(value({}, " 2.5 ")).toBe(2.5);
    expect(value({}, "2,5")).toBe(2.5);
    expect(value({}, "1e-3")).toBe(0.001);
    expect(value({ type: "integer" }, "2.0")).toBe(2);
  });

  test.each<[Partial<FormProperty>, string, string]>([
    [{}, "", "Needs a number."],
    [{}, "two", "This is not a number."],
    [{}, "Infinity", "This is not a number."],
    [{ type: "integer" }, "2.5", "This is not a whole number."],
    [{ type: "integer" }, "1e17", "Whole numbers go to ±2⁵³."],
    [{ minimum: 0 }, "-0.1", "Must be at least 0."],
    [{ maximum: 20 }, "21", "Must be at most 20."],
    [{ exclusiveMinimum: 0 }, "0", "Must be more than 0."],
    [{ exclusiveMaximum: 1 }, "1", "Must be less than 1."],
    [{ multipleOf: 5 }, "12", "Must be a multiple of 5."],
  ])("%o refuses %o", (more, typed, reason) => {
    expect(problem(more, typed)).toBe(reason);
  });

  test("the bounds themselves, and decimal multiples, are allowed", () => {
    expect(problem({ minimum: 0, maximum: 20 }, "20")).toBeUndefined();
    expect(problem({ multipleOf: 0.1 }, "0.3")).toBeUndefined();
    expect(problem({ multipleOf: 0.1 }, "1234567.8")).toBeUndefined();
  });
});

test("nothing is a value where it may be one", () => {
  expect(value({ type: ["number", "null"] }, null)).toBeNull();
  expect(problem({}, null)).toBe("Needs a number.");
});

test("a choice must still be there", () => {
  const choice = { type: "string", enum: ["otsu", "li"] } as const;
  expect(value(choice, "li")).toBe("li");
  expect(problem(choice, undefined)).toBe("Choose one.");
  expect(problem(choice, "yen")).toBe("“yen” is no longer a choice.");
  expect(value({ type: ["boolean", "null"] }, null)).toBeNull();
});

test("a path that must be given is not empty; a text may be", () => {
  expect(problem({ type: "string", format: "path" }, "")).toBe("Needs a path.");
  expect(value({ type: "string", format: "path", default: "" }, "")).toBe("");
  expect(value({ type: "string" }, "")).toBe("");
});

test("a form gives every value, defaults too, and names every problem", () => {
  const form: Form = {
    title: "Nuclei",
    properties: {
      sigma: property({ default: 2 }),
      size: property({ type: "integer", minimum: 0, default: 30 }),
      name: property({ type: "string" }),
    },
    required: ["name"],
  };
  const { values, problems } = checkForm(form, new Map<string, Entry>([["size", "-1"]]));
  expect(values).toEqual({ sigma: 2, name: "" });
  expect([...problems]).toEqual([["size", "Must be at least 0."]]);
});

describe("sliders", () => {
  test.each<[Partial<FormProperty>, readonly [number, number, number] | null]>([
    [{}, null],
    [{ minimum: 0 }, null],
    [{ minimum: 3, maximum: 3 }, null],
    [{ minimum: 0, maximum: 20, step: 0.5 }, [0, 20, 0.5]],
    [{ minimum: 0, maximum: 1 }, [0, 1, 0.01]],
    [{ exclusiveMinimum: 0, maximum: 1 }, [0.01, 1, 0.01]],
    [{ type: "integer", minimum: 1, maximum: 7 }, [1, 7, 1]],
    [{ type: "integer", minimum: 1, maximum: 20, multipleOf: 3 }, [3, 18, 3]],
  ])("%o", (more, range) => {
    const found = sliderRange(property(more));
    expect(found && [found.low, found.high, found.step]).toEqual(range);
  });

  test("reach only what the rules allow", () => {
    const odd = property({ exclusiveMinimum: 0, exclusiveMaximum: 1, step: 0.05 });
    const range = sliderRange(odd);
    expect(checkEntry(odd, String(range?.low)).problem).toBeUndefined();
    expect(checkEntry(odd, String(range?.high)).problem).toBeUndefined();
  });
});

test.each<[Partial<FormProperty>, Entry, number, string]>([
  [{ step: 0.1 }, "0.2", 1, "0.3"],
  [{ type: "integer" }, "7", -10, "-3"],
  [{ minimum: 0 }, "0.05", -100, "0"],
  [{ exclusiveMinimum: 0, step: 0.5 }, "0.5", -1, "0.5"],
  [{ default: 4 }, "rubbish", 1, "4.1"],
  [{ multipleOf: 4 }, "9", 1, "12"],
])("a step from %o", (more, entry, steps, next) => {
  expect(stepped(property(more), entry, steps)).toBe(next);
});

test("bounds in words", () => {
  expect(boundsText(property({ minimum: 0, maximum: 20 }))).toBe("0 to 20");
  expect(boundsText(property({ exclusiveMinimum: 0, maximum: 1 }))).toBe("more than 0, at most 1");
  expect(boundsText(property({ minimum: 1, multipleOf: 2 }))).toBe("at least 1, a multiple of 2");
  expect(boundsText(property())).toBe("");
});
