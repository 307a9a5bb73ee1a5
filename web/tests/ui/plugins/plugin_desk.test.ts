import { expect, it, vi } from "vitest";
import { Cancelled } from "../../../src/rpc/errors.ts";
import { Activity } from "../../../src/ui/plugins/activity.ts";
import { Questions } from "../../../src/ui/plugins/dialogs/questions.ts";
import { Face } from "../../../src/ui/plugins/face.ts";
import { PluginLogs } from "../../../src/ui/plugins/log/plugin_logs.ts";
import { PluginDesk } from "../../../src/ui/plugins/plugin_desk.ts";
import { START } from "../../../src/ui/plugins/windows/layout.ts";
import { WindowMemory } from "../../../src/ui/plugins/windows/memory.ts";
import { PluginWindows } from "../../../src/ui/plugins/windows/plugin_windows.ts";
import { loadedOf } from "../../fake/fake_desk.ts";
import { connected, hostFixture, mapStorage, settle } from "../../fake/host_fixture.ts";
import { VIZ } from "../../fake/plugins.ts";

const ABOUT = { id: "1", name: "Plots" };
const never = new AbortController().signal;

async function fixture(storage = mapStorage()) {
  const base = hostFixture();
  const { notices, link } = base;
  const windows = new PluginWindows(null);
  const questions = new Questions();
  const activity = new Activity();
  const logs = new PluginLogs();
  const showLog = vi.fn();
  const face = new Face({
    questions,
    windows,
    logs,
    notices,
    activity,
    hidden: null as unknown as HTMLElement,
    loadFrames: () => Promise.reject(new Error("no frames here")),
    showLog,
  });
  const memory = new WindowMemory(() => storage);
  const parts = { link, face, windows, questions, activity, notices, memory, showLog };
  const plugins = new PluginDesk(parts);
  await connected(base);
  const desk = base.host.deskOfPage;
  if (!desk) throw new Error("the page has opened no desk");
  return { ...base, plugins, desk, questions, activity, logs, memory, showLog, storage };
}

it("a desk is opened with the link, and shows what is loaded", async () => {
  const { plugins, desk } = await fixture();
  desk.show(loadedOf("1", { plugin: "viz.imjoy.html" }), loadedOf("2", { state: "ended" }));
  await settle();
  expect(plugins.loaded.value.map(({ id }) => id)).toEqual(["1"]);
  expect(plugins.of("viz.imjoy.html")).toHaveLength(1);
});

it("what fails is said at once, with a way to its log", async () => {
  const { plugins, desk, texts, notices, showLog } = await fixture();
  desk.show(loadedOf("1", { name: "Plots", plugin: "p" }));
  await settle();
  desk.failure = "there are no cells";
  await plugins.run("p", "Plots", { config: {} });
  expect(texts()).toEqual(["“Plots” failed: there are no cells"]);
  notices.shown.value[0]?.action?.run();
  expect(showLog).toHaveBeenCalledWith(ABOUT);
  desk.change("1", { state: "failed", error: "its page is gone" });
  await settle();
  expect(texts()[1]).toBe("“Plots” failed: its page is gone");
});

it("what was cancelled or stopped is no failure", async () => {
  const { plugins, desk, texts } = await fixture();
  desk.onRun = () => Promise.reject(new Cancelled("Plots was stopped."));
  await plugins.run("p", "Plots", {});
  expect(texts()).toEqual([]);
  for (const state of ["running", "loading"] as const) {
    const { promise, reject } = Promise.withResolvers<null>();
    desk.onRun = () => promise;
    desk.show(loadedOf("1", { name: "Plots", plugin: "p", state }));
    const running = plugins.run("p", "Plots", {});
    await settle();
    await plugins.stop(ABOUT);
    reject(new Error("it went away"));
    await running;
    expect(texts()).toEqual([]);
  }
  desk.onRun = () => Promise.reject(new Error("no cells"));
  await plugins.run("p", "Plots", {});
  expect(texts()).toEqual(["“Plots” failed: no cells"]);
});

it("an update says what came of it, and is asked for once at a time", async () => {
  const { plugins, desk, texts } = await fixture();
  const viz = { ...VIZ, origin: "a/b:viz" };
  desk.newer.add(viz.id);
  const updating = [plugins.update(viz), plugins.update(viz)];
  expect([...plugins.updating.value]).toEqual([viz.id]);
  await Promise.all(updating);
  expect(desk.calls).toEqual([`update "${viz.id}"`]);
  expect(plugins.updating.value.size).toBe(0);
  await plugins.update(viz);
  desk.failure = "a/b does not answer";
  await plugins.update(viz);
  expect(texts()).toEqual([
    "“Cell plots” was updated.",
    "“Cell plots” is up to date: there is nothing newer at a/b:viz.",
    "“Cell plots” could not be updated, and stays as it was: a/b does not answer",
  ]);
});

it("what a plugin logs as an error is a notice, too", async () => {
  const { desk, logs, texts } = await fixture();
  const text = 'Traceback:\n  File "x.py"\nValueError: no cells';
  await desk.face.log(ABOUT, { time: 1, level: "error", text });
  expect(texts()).toEqual(["Plots: ValueError: no cells"]);
  expect(logs.of("1").value).toHaveLength(1);
});

it("questions wait for each other, and go when nobody asks any more", async () => {
  const { desk, questions } = await fixture();
  const told = { title: "", content: "Sure?" };
  const answers: unknown[] = [];
  void desk.face.confirm(ABOUT, told).then((answer) => answers.push(answer));
  void desk.face
    .prompt(ABOUT, { ...told, placeholder: "", value: "" })
    .then((answer) => answers.push(answer));
  await settle();
  expect(questions.waiting.value.map(({ kind }) => kind)).toEqual(["confirm", "prompt"]);
  questions.answer(questions.waiting.value[0]?.key ?? 0, true);
  questions.forget("1");
  await settle();
  expect(answers).toHaveLength(2);
  expect(new Set(answers)).toEqual(new Set([true, null]));
  expect(questions.waiting.value).toEqual([]);
});

it("a plugin that asks without end is refused, and can be stopped", async () => {
  const { questions } = await fixture();
  const told = { content: "again" };
  for (let i = 0; i < 50; i++) {
    void questions.ask({ kind: "alert", about: ABOUT, told }, never);
  }
  await expect(questions.ask({ kind: "alert", about: ABOUT, told }, never)).rejects.toThrow(
    "“Plots” asks too much",
  );
  expect(questions.asksOften("1")).toBe(true);
  expect(questions.asksOften("2")).toBe(false);
});

it("what had windows is run again when the page is loaded again", async () => {
  const storage = mapStorage();
  const first = await fixture(storage);
  await first.plugins.run("p", "Plots", { config: { size: 3 } });
  await first.plugins.run("q", "Without", { config: {} });
  first.desk.show(
    loadedOf("1", { plugin: "p", windows: ["w"] }),
    loadedOf("2", { plugin: "q", windows: [] }),
  );
  await settle(1000);
  expect(first.memory.recall()).toEqual({
    layout: START,
    runs: [{ source: "p", title: "Plots", context: { config: { size: 3 } } }],
  });
  const second = await fixture(storage);
  await settle();
  expect(second.desk.calls).toEqual(['run "p" {"config":{"size":3}}']);
});

it("without a desk, one hears why", async () => {
  const { plugins, host, texts } = await fixture();
  host.hangUp();
  await settle();
  host.failures.set("desk", "it was turned off");
  await settle(2000);
  expect(await plugins.load("a/b:c")).toBe(false);
  expect(texts()).toEqual([
    "The plugin could not be loaded: This host runs no plugins for pages: it was turned off",
  ]);
});

it("what plugins do is told in its order, and bounded", () => {
  const activity = new Activity();
  activity.status(ABOUT, "Fitting");
  activity.progress(ABOUT, 7);
  activity.status({ id: "2", name: "Other" }, "Waiting");
  expect(activity.doing.value).toEqual([
    { ...ABOUT, text: "Fitting", progress: 1 },
    { id: "2", name: "Other", text: "Waiting", progress: null },
  ]);
  activity.progress(ABOUT, Number.NaN);
  expect(activity.doing.value.at(-1)).toEqual({ ...ABOUT, text: "Fitting", progress: null });
});
