import { describe, expect, it } from "vitest";
import { NdArray } from "../../../src/rpc/index.ts";
import { blobOf, valueText } from "../../../src/ui/plugins/built_in/carried.ts";
import { nameOf, pathsIn } from "../../../src/ui/plugins/dialogs/paths.ts";
import {
  filtered,
  logText,
  MOST_LINES,
  PluginLogs,
} from "../../../src/ui/plugins/log/plugin_logs.ts";
import { fuzzyMatch, ranked } from "../../../src/ui/plugins/palette/fuzzy.ts";
import type { Line } from "../../../src/ui/plugins/service.ts";

describe("what is typed into the palette", () => {
  const order = (query: string, ...texts: string[]) =>
    ranked(query, texts, (text) => text).map(({ item }) => item);

  it("finds letters in order, and nothing else", () => {
    expect(fuzzyMatch("ctr", "Counter")?.at).toEqual([0, 4, 6]);
    expect(fuzzyMatch("rtc", "Counter")).toBeNull();
    expect(fuzzyMatch("", "Counter")?.at).toEqual([]);
  });

  it("prefers words as they are, and their starts", () => {
    expect(order("plo", "Play or stop", "Cell plots")).toEqual(["Cell plots", "Play or stop"]);
    expect(order("sl", "Install", "Show layers")).toEqual(["Show layers", "Install"]);
  });

  it("takes words in any order", () => {
    expect(order("panel layer", "Show or hide the layer panel", "Panel")).toEqual([
      "Show or hide the layer panel",
    ]);
  });
});

describe("logs", () => {
  const line = (text: string, more: Partial<Line> = {}): Line => ({
    time: 1_700_000_000,
    level: "log",
    text,
    ...more,
  });

  it("keeps the newest lines of each plugin, and counts errors until they are seen", () => {
    const logs = new PluginLogs();
    for (let i = 0; i < MOST_LINES + 5; i++) logs.add("a", line(`line ${i}`));
    logs.add("b", line("broken", { level: "error" }));
    expect(logs.of("a").value).toHaveLength(MOST_LINES);
    expect(logs.of("a").value.at(-1)?.text).toBe(`line ${MOST_LINES + 4}`);
    expect([...logs.errors.value]).toEqual([["b", 1]]);
    logs.seen("b");
    expect(logs.errors.value.size).toBe(0);
  });

  it("shows pictures of data addresses only", () => {
    const logs = new PluginLogs();
    for (const image of ["https://example.org/a.png", "data:text/html,x", "javascript:1"]) {
      logs.add("a", line("", { image }));
    }
    expect(logs.of("a").value.every(({ image }) => image === undefined)).toBe(true);
    logs.add("a", line("", { image: "data:image/png;base64,AA==" }));
    expect(logs.of("a").value.at(-1)?.image).toBeDefined();
  });

  it("are searched by words and for errors", () => {
    const lines = [line("Loading the model"), line("no cells", { level: "error" })];
    expect(filtered(lines, { words: "MODEL load", errorsOnly: false })).toEqual([lines[0]]);
    expect(filtered(lines, { words: "", errorsOnly: true })).toEqual([lines[1]]);
  });

  it("are saved with time and level", () => {
    expect(logText([line("one")])).toBe("2023-11-14T22:13:20.000Z log    one\n");
  });
});

describe("values of plugins", () => {
  it("are told in words where they are large or call something", () => {
    const array = NdArray.of(new Uint8Array(6), [2, 3]);
    expect(JSON.parse(valueText({ a: array, f: () => 1, n: 2n }))).toEqual({
      a: "(an array of uint8, 2 × 3)",
      f: "(a function)",
      n: "2",
    });
  });

  it("become files, whatever their bytes came as", async () => {
    const bytes = new Uint8Array([1, 2, 3]);
    for (const value of [
      bytes,
      bytes.buffer,
      { _rtype: "blob", _rvalue: bytes },
      "\u0001\u0002\u0003",
    ]) {
      expect(new Uint8Array(await blobOf(value, "").arrayBuffer())).toEqual(bytes);
    }
    expect(() => blobOf({}, "")).toThrow("There are no bytes");
  });
});

it("paths are one a line, and have names", () => {
  expect(pathsIn(" /a/b.tif \n\n/c\n")).toEqual(["/a/b.tif", "/c"]);
  expect(nameOf("/a/b/")).toBe("b");
  expect(nameOf("C:\\x\\y.tif")).toBe("y.tif");
});
