import { describe, expect, test } from "vitest";
import { BINDINGS, commandFor, type KeyPress, keepsKey } from "../../src/ui/keymap.ts";

function press(key: string, modifiers: Partial<KeyPress> = {}): KeyPress {
  return { key, ctrlKey: false, metaKey: false, altKey: false, shiftKey: false, ...modifiers };
}

test.each([
  ["v", {}, "toggleLayer"],
  ["3", {}, "toggleVolume"],
  ["m", {}, "nextMode"],
  ["h", {}, "toggleNumbers"],
  ["r", {}, "togglePlugins"],
  ["r", { ctrlKey: true }, null],
  ["?", { shiftKey: true }, "help"],
  ["Home", {}, "fit"],
  ["+", { shiftKey: true }, "zoomIn"],
  [",", {}, "previousSlice"],
  ["PageDown", {}, "nextSlice"],
  ["z", { ctrlKey: true }, "undo"],
  ["Z", { ctrlKey: true, shiftKey: true }, "redo"],
  ["z", { metaKey: true }, "undo"],
  ["z", {}, null],
  ["v", { ctrlKey: true }, null],
  ["V", { shiftKey: true }, null],
  ["f", { altKey: true }, null],
  ["s", { ctrlKey: true }, null],
  ["y", {}, null],
])("%s with %o is %s", (key, modifiers, command) => {
  expect(commandFor(press(key, modifiers))).toBe(command);
});

test("no two commands share a key", () => {
  const pressed = BINDINGS.flatMap((binding) =>
    binding.keys.map((key) => `${binding.control ?? ""}${binding.shift ?? ""}${key}`),
  );
  expect(new Set(pressed).size).toBe(pressed.length);
});

describe("controls keep the keys that they use", () => {
  test("text fields keep all but Escape", () => {
    expect(keepsKey("text", press("v"))).toBe(true);
    expect(keepsKey("text", press("z", { ctrlKey: true }))).toBe(true);
    expect(keepsKey("text", press("Escape"))).toBe(false);
  });

  test("sliders keep what moves them, buttons the space bar", () => {
    expect(keepsKey("slider", press("Home"))).toBe(true);
    expect(keepsKey("slider", press("v"))).toBe(false);
    expect(keepsKey("button", press(" "))).toBe(true);
    expect(keepsKey("button", press("Home"))).toBe(false);
    expect(keepsKey("other", press(" "))).toBe(false);
  });
});
