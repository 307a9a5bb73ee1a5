import { expect, test } from "vitest";
import { choicesFor, inputFor, nothingFor, tablesOf } from "../../../src/ui/host/input_choices.ts";
import { jobOf } from "../../fake/fake_host.ts";
import { input, operation } from "../../fake/plugins.ts";
import { layer } from "../../fake/scenes.ts";

const LAYERS = [
  layer(3, "spots", { kind: "points" }),
  layer(2, "nuclei", { kind: "labels" }),
  layer(1, "colour", { kind: "rgb" }),
  layer(0, "DAPI"),
];
const FILE = { name: "count.csv", rows: 7, address: "/api/jobs/a/results/0" };
const JOBS = [
  jobOf("a", { title: "Count · cells", state: "done", files: [FILE] }),
  jobOf("b", { state: "done", undone: true, files: [{ ...FILE, address: "/b/0" }] }),
  jobOf("c", { state: "running", files: [{ ...FILE, address: "/c/0" }] }),
  jobOf("d", { title: "Count · more", state: "done", files: [{ ...FILE, address: "/d/0" }] }),
];

test("layers fit inputs of their kind; points are tables, too", () => {
  const ids = (kind: string) => choicesFor(input("in", kind), LAYERS, []).map(({ id }) => id);
  expect(ids("image")).toEqual([1, 0]);
  expect(ids("labels")).toEqual([2]);
  expect(ids("points")).toEqual([3]);
  expect(ids("table")).toEqual([3]);
  expect(ids("shapes")).toEqual([]);
});

test("tables are those of jobs that count, the latest first", () => {
  const tables = tablesOf(JOBS);
  expect(tables).toEqual([
    { id: "/d/0", name: "count.csv · Count · more" },
    { id: "/api/jobs/a/results/0", name: "count.csv · Count · cells" },
  ]);
  const ids = (kind: string) => choicesFor(input("in", kind), LAYERS, tables).map(({ id }) => id);
  expect(ids("table")).toEqual(["/d/0", "/api/jobs/a/results/0", 3]);
  expect(ids("points")).toEqual([3]);
});

test("what a layer or a table can be run with is what has an input for it", () => {
  const both = operation("both", {}, { inputs: [input("image"), input("mask", "labels")] });
  const tables = tablesOf(JOBS);
  const found = (id: number | string, one = both) => inputFor(one, id, LAYERS, tables)?.name;
  expect(found(0)).toBe("image");
  expect(found(2)).toBe("mask");
  expect(found(3)).toBeUndefined();
  expect(found(99)).toBeUndefined();
  const rows = operation("rows", {}, { inputs: [input("rows", "table")] });
  expect(found("/d/0", rows)).toBe("rows");
  expect(found("/d/0")).toBeUndefined();
  expect(found(0, { ...both, refused: "It needs a window." })).toBeUndefined();
});

test("why there is nothing is said in words that help", () => {
  expect(nothingFor(input("in", "points"))).toContain("CSV or Parquet");
  expect(nothingFor(input("in", "shapes"))).toContain("napari");
  expect(nothingFor(input("in", "tracks"))).toBe("A plugin can be given tracks from Python only.");
});
