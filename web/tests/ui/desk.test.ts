import { beforeEach, expect, test, vi } from "vitest";
import { Desk } from "../../src/ui/desk.ts";
import { Notices } from "../../src/ui/notices.ts";
import { Playback } from "../../src/ui/playback.ts";
import { FakeServer } from "../fake/fake_server.ts";
import { FakeViewer, IDLE } from "../fake/fake_viewer.ts";
import { layer, PLATE } from "../fake/scenes.ts";

let viewer: FakeViewer;
let desk: Desk;

beforeEach(() => {
  viewer = new FakeViewer();
  desk = new Desk(viewer, new FakeServer(), {}, new Notices());
  viewer.show(PLATE);
});

const visible = () => [0, 1, 2].map((id) => viewer.layer(id).visible);

test("the top layer comes first, the top image is selected", () => {
  expect(desk.layers.value.map((one) => one.id)).toEqual([2, 1, 0]);
  expect(desk.selectedLayer.value?.id).toBe(1);
});

test("a layer that goes is no longer selected", () => {
  viewer.show({ layers: [layer(7, "other")], opening: 0, notices: [] });
  expect(desk.selectedLayer.value?.id).toBe(7);
});

test("settings change, and are undone and redone", () => {
  desk.changeLayer(0, { opacity: 0.5 });
  desk.toggleLayer(1);
  expect(desk.settings.value.get(0)?.opacity).toBe(0.5);
  desk.undo();
  expect(visible()).toEqual([true, true, true]);
  desk.undo();
  expect(viewer.layer(0).opacity).toBe(1);
  desk.redo();
  expect(viewer.layer(0).opacity).toBe(0.5);
  desk.resetLayer(0, ["opacity"]);
  expect(viewer.layer(0).opacity).toBe(1);
});

test("undo passes over layers that have gone", () => {
  desk.changeLayer(0, { gamma: 2 });
  viewer.show({ layers: PLATE.layers.slice(1), opening: 0, notices: [] });
  const calls = viewer.calls.length;
  desk.undo();
  expect(viewer.calls).toHaveLength(calls);
});

test("alone, and again: what was shown before", () => {
  desk.toggleLayer(1);
  desk.soloLayer(0);
  expect(visible()).toEqual([true, false, false]);
  desk.soloLayer(2);
  expect(visible()).toEqual([false, false, true]);
  desk.undo();
  expect(visible()).toEqual([true, false, false]);
  desk.undo();
  desk.soloLayer(0);
  desk.soloLayer(0);
  expect(visible()).toEqual([true, false, true]);
});

test("slices are stepped along the axis that was used last", () => {
  desk.stepSlice(1);
  expect(viewer.camera?.position["t"]).toBe(30);
  desk.activeAxis.value = "z";
  desk.stepSlice(1);
  desk.stepSlice(-5);
  expect(viewer.camera?.position).toEqual({ t: 30, z: 0 });
});

test("playing loops", () => {
  vi.useFakeTimers();
  vi.stubGlobal("document", { hidden: false });
  const playback = new Playback(desk);
  const axis = desk.axes.value[0];
  if (!axis) throw new Error("no axis");
  playback.toggle(axis);
  vi.advanceTimersByTime(650);
  expect(desk.sliceIndex(axis)).toBe(1);
  playback.toggle(axis);
  vi.advanceTimersByTime(1000);
  expect(desk.sliceIndex(axis)).toBe(1);
  playback.dispose();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

test("failures are kept once per reason, until they are tried again", () => {
  const failure = { layer: 0, level: 1, reason: "truncated" };
  viewer.emit("stats", { ...IDLE, failed: 2 });
  viewer.emit("failure", failure);
  viewer.emit("failure", { ...failure, level: 0 });
  expect(desk.failures.value).toEqual([{ ...failure, level: 0 }]);
  viewer.emit("stats", IDLE); // an older message may come later than the failure
  expect(desk.failures.value).toHaveLength(1);
  desk.retryFailed();
  expect(desk.failures.value).toEqual([]);
  expect(viewer.calls).toContain("retryFailed");
});

test("notices are shown once; errors stay, the rest goes", () => {
  vi.useFakeTimers();
  const texts = () => desk.notices.shown.value.map((notice) => notice.text);
  const scene = { ...PLATE, notices: [{ severity: "error", text: "broken" } as const] };
  viewer.show(scene);
  viewer.show(scene);
  viewer.emit("notice", { severity: "info", text: "hello" });
  viewer.emit("notice", { severity: "info", text: "hello" });
  expect(texts()).toEqual(["broken", "hello"]);
  vi.advanceTimersByTime(60_000);
  expect(texts()).toEqual(["broken"]);
  desk.notices.dismiss(desk.notices.shown.value[0]?.key ?? 0);
  viewer.show(scene);
  expect(texts()).toEqual([]);
  vi.useRealTimers();
});

test("errors are never pushed out by what came later", () => {
  for (let i = 0; i < 9; i += 1) desk.notices.add({ severity: "error", text: `error ${i}` });
  for (let i = 0; i < 9; i += 1) desk.notices.add({ severity: "info", text: `info ${i}` });
  const shown = desk.notices.shown.value;
  expect(shown.filter((notice) => notice.severity === "error")).toHaveLength(9);
  expect(shown.at(-1)?.text).toBe("info 8");
  expect(shown).toHaveLength(13);
});

test("of all points a slice is shown as soon as its slider moves, and all again", () => {
  const axes = ["z", "y", "x"].map((name) => ({ name, type: "space", unit: null }) as const);
  const levels = [{ shape: [1, 1, 1], scale: [64, 9, 9], translation: [32, 0, 0] }];
  const points = layer(4, "points", { kind: "points", axes, levels });
  viewer.show({ layers: [points], opening: 0, notices: [] });
  const [z] = desk.axes.value;
  if (!z) throw new Error("no slider");
  expect([z.name, z.count, desk.showsAllPoints(z)]).toEqual(["z", 33, true]);
  desk.stepSlice(1);
  expect(viewer.layer(4).thickness).toEqual({ z: 2 });
  expect(desk.showsAllPoints(z)).toBe(false);
  desk.showAllPoints(z, true);
  expect(viewer.layer(4).thickness).toEqual({});
  expect(desk.showsAllPoints(z)).toBe(true);
  desk.stepSlice(1);
  desk.undo();
  expect(desk.showsAllPoints(z)).toBe(true);
});

test("what lies under the pointer is that of the viewer that it is over, in whatever order they tell", () => {
  const [first, second] = [new FakeViewer(), new FakeViewer()];
  const probe = (x: number) => ({ world: [x, x] as const, values: [] });
  desk.showProbe(probe(1), first);
  desk.showProbe(probe(2), second);
  desk.showProbe(null, first);
  expect([desk.probe.value?.world[0], desk.probed.value]).toEqual([2, second]);
  desk.showProbe(probe(3), first);
  desk.showProbe(null, first);
  expect([desk.probe.value?.world[0], desk.probed.value]).toEqual([2, second]);
  desk.showProbe(null, second);
  expect([desk.probe.value, desk.probed.value]).toEqual([null, null]);
});
