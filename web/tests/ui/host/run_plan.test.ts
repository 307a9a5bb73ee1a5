import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { FormDraft } from "../../../src/ui/host/form_draft.ts";
import type { InputChoice } from "../../../src/ui/host/input_choices.ts";
import { RunPlan } from "../../../src/ui/host/run_plan.ts";
import { hostFixture } from "../../fake/host_fixture.ts";
import { input, NUCLEI, operation } from "../../fake/plugins.ts";
import { layer, PLATE } from "../../fake/scenes.ts";

const BOTH = operation("both", NUCLEI.operations[0]?.form.properties, {
  inputs: [input("image"), input("mask", "labels", { optional: true })],
});

function planFixture() {
  const { desk, viewer } = hostFixture();
  const draft = new FormDraft();
  return { desk, viewer, draft, plan: new RunPlan(desk, "nuclei.py", BOTH, draft) };
}

test("is complete from the start where there are defaults", () => {
  const { plan } = planFixture();
  expect(plan.request.value).toEqual({
    plugin: "nuclei.py",
    operation: "both",
    inputs: { image: 1 },
    parameters: { sigma: 2, min_size: 30 },
    where: {
      region: "visible",
      center: [0, 0],
      zoom: 1,
      size: [640, 480],
      displayed: ["y", "x"],
      position: { t: 0, z: 0 },
    },
  });
});

test("follows the selected layer and the camera until something was chosen", () => {
  const { desk, viewer, draft, plan } = planFixture();
  desk.selectLayer(0);
  expect(plan.inputs.value.get("image")).toBe(0);
  desk.selectLayer(2); // labels: the image stays what it was
  expect(plan.inputs.value.get("image")).toBe(0);
  draft.choose("image", 1);
  draft.choose("mask", 2);
  desk.selectLayer(0);
  expect([...plan.inputs.value]).toEqual([
    ["image", 1],
    ["mask", 2],
  ]);
  viewer.setCamera({ zoom: 5 });
  expect(plan.request.value?.where).toMatchObject({ zoom: 5 });
  viewer.show({ ...PLATE, layers: PLATE.layers.filter(({ id }) => id !== 1) });
  expect(plan.inputs.value.get("image")).toBe(0);
});

test("what may be left out is proposed, where that is wanted, but no layer twice", () => {
  const { desk, draft } = planFixture();
  const optional = { optional: true };
  const inputs = [input("image", "image", optional), input("mask", "labels", optional)];
  const more = [...inputs, input("other", "labels", optional)];
  const take = operation("take", {}, { inputs: more });
  const plan = new RunPlan(desk, "take.imjoy.html", take, draft, undefined, true);
  expect(plan.request.value?.inputs).toEqual({ image: 1, mask: 2 });
  draft.choose("image", null);
  expect(plan.request.value?.inputs).toEqual({ mask: 2 });
  const not = new RunPlan(desk, "take.imjoy.html", take, draft);
  expect(not.request.value?.inputs).toEqual({});
});

test("of the whole image names a level that there is, and all slices where there are some", () => {
  const { draft, plan } = planFixture();
  draft.region.value = "whole";
  draft.chooseLevel(1, 9);
  draft.slices.value = "all";
  expect(plan.request.value?.where).toMatchObject({ level: 2, slices: "all" });
  expect(plan.otherAxes.value.map(({ name }) => name)).toEqual(["t", "z"]);
});

test("a level is that of the layer it was chosen for; another starts at its finest", () => {
  const { desk, viewer, draft, plan } = planFixture();
  draft.region.value = "whole";
  draft.chooseLevel(1, 2);
  expect(plan.level.value).toBe(2);
  draft.choose("image", 0);
  expect(plan.level.value).toBe(0);
  expect(plan.request.value?.where).toMatchObject({ level: 0 });
  draft.choose("image", 1);
  expect(plan.level.value).toBe(2);
  viewer.show({ ...PLATE, layers: PLATE.layers.map((one) => ({ ...one, id: one.id + 10 })) });
  desk.selectLayer(11);
  expect(plan.level.value).toBe(0);
  expect(new RunPlan(desk, "nuclei.py", BOTH, new FormDraft()).level.value).toBe(0);
});

test("is none while something is missing or wrong", () => {
  const { viewer, draft, plan } = planFixture();
  draft.enter("sigma", "99");
  expect(plan.request.value).toBeNull();
  expect(plan.form.value.problems.get("sigma")).toBe("Must be at most 20.");
  draft.reset();
  expect(plan.request.value).not.toBeNull();
  viewer.show({ layers: PLATE.layers.slice(2), opening: 0, notices: [] });
  expect(plan.request.value).toBeNull();
  expect([...plan.inputProblems.value.keys()]).toEqual(["image"]);
});

test("points and tables are inputs: layers by their ids, tables by their addresses", () => {
  const { desk, viewer } = hostFixture();
  const tables = signal<readonly InputChoice[]>([]);
  const inputs = [input("spots", "points"), input("counts", "table")];
  const plan = new RunPlan(
    desk,
    "p.py",
    operation("near", {}, { inputs }),
    new FormDraft(),
    tables,
  );
  expect([...plan.inputProblems.value.keys()]).toEqual(["spots", "counts"]);
  expect(plan.request.value).toBeNull();
  viewer.show({ ...PLATE, layers: [...PLATE.layers, layer(9, "spots", { kind: "points" })] });
  expect(plan.request.value?.inputs).toEqual({ spots: 9, counts: 9 });
  tables.value = [
    { id: "/b/0", name: "later" },
    { id: "/a/0", name: "earlier" },
  ];
  expect(plan.request.value?.inputs).toEqual({ spots: 9, counts: "/b/0" });
  plan.draft.choose("counts", "/a/0");
  expect(plan.request.value?.inputs["counts"]).toBe("/a/0");
  tables.value = [];
  expect(plan.request.value?.inputs["counts"]).toBe(9);
  expect(plan.leading.value).toBeNull();
});
