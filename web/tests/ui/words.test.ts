/** Small pure parts: titles, names of files, parameters of the address, menus, contrast spans. */
import { expect, test } from "vitest";
import { moveTo } from "../../src/ui/colormap_menu.tsx";
import { contrastStep, dataSpan, fullSpan, histogramPath } from "../../src/ui/contrast_span.ts";
import { loaderState } from "../../src/ui/hud.tsx";
import { parametersOf } from "../../src/ui/parameters.ts";
import { datedName } from "../../src/ui/save_file.ts";
import { imageTitle, pageTitle } from "../../src/ui/title.ts";
import { HISTOGRAM } from "../fake/fake_server.ts";
import { IDLE } from "../fake/fake_viewer.ts";
import { layer, PLATE } from "../fake/scenes.ts";

test.each([
  [[], ""],
  [["nuclei"], "nuclei"],
  [["plate: DAPI", "plate: GFP"], "plate"],
  [["channel 0 · stack", "channel 1 · stack"], "stack"],
  [["DAPI", "GFP"], "DAPI +1"],
  [["a-1", "a-2"], "a-1 +1"],
])("layers %o are called %s", (names, title) => {
  expect(
    imageTitle({ layers: names.map((name, id) => layer(id, name)), opening: 0, notices: [] }),
  ).toBe(title);
});

test("the page says what is open", () => {
  expect(pageTitle(PLATE)).toBe("plate 12 — Opsin");
  expect(pageTitle(null)).toBe("Opsin");
});

test("screenshots get names that every file system takes", () => {
  const date = new Date(2026, 10, 22, 9, 5, 7);
  expect(datedName("plate 12: DAPI/µ", "png", date)).toBe("plate-12-DAPI-µ-2026-11-22-090507.png");
  expect(datedName("../..", "png", date)).toBe("opsin-2026-11-22-090507.png");
});

test("parameters of the address", () => {
  expect(parametersOf("?bare&clear=ff0080&slots=1048576")).toEqual({
    bare: true,
    clear: [1, 0, 128 / 255],
    slots: 1048576,
  });
  expect(parametersOf("?clear=red&slots=-1")).toEqual({ bare: false });
});

test.each([
  [{ settled: true }, "open", "Settled"],
  [{ settled: false, wanted: 4, held: 3, failed: 0 }, "open", "Loading"],
  [{ settled: false, wanted: 4, held: 3, failed: 1 }, "open", "Drawing"],
  [{ settled: true }, "lost", "No connection"],
  [{ settled: true }, "closed", "No connection"],
  [{ settled: false }, "lost", "No connection"],
] as const)("a loader with %o, the connection %s, is called %s", (stats, connection, state) => {
  expect(loaderState({ ...IDLE, ...stats }, connection)).toBe(state);
});

test("keys move in the menu of colour maps", () => {
  const names = ["gray", "green", "magma", "Magenta"];
  expect(moveTo("ArrowDown", 3, names)).toBe(3);
  expect(moveTo("Home", 3, names)).toBe(0);
  expect(moveTo("m", 0, names)).toBe(2);
  expect(moveTo("m", 2, names)).toBe(3);
  expect(moveTo("m", 3, names)).toBe(2);
  expect(moveTo("x", 0, names)).toBeNull();
});

test("the contrast slider always spans its limits", () => {
  const image = layer(0, "image");
  expect(fullSpan(image, [-5, 70_000])).toEqual([-5, 70_000]);
  const [low, high] = dataSpan(HISTOGRAM, [0, 2000]);
  expect(low).toBe(0);
  expect(high).toBeGreaterThan(HISTOGRAM.high);
  expect(contrastStep(image, [0, 100])).toBe(1);
  expect(contrastStep(layer(0, "", { dtype: "float32" }), [0, 1])).toBe(0.001);
});

test("the histogram of nothing is a flat line, not NaN", () => {
  const flat = { low: 0, high: 0, counts: new Array<number>(256).fill(0), auto: [0, 0] as const };
  expect(histogramPath(flat, [0, 1], 256, 64)).not.toContain("NaN");
});
