import { expect, it, vi } from "vitest";
import type { Plugin } from "../../../src/ui/host/host_service.ts";
import { EditorDraft, LIVE_AFTER_MS } from "../../../src/ui/plugins/editor/editor_draft.ts";
import { settle } from "../../fake/host_fixture.ts";
import { NUCLEI, VIZ } from "../../fake/plugins.ts";

const SOURCE = { file_name: "Cell plots.imjoy.html", text: "<config></config>" };

function fixture(plugin: Plugin = VIZ) {
  vi.useFakeTimers();
  const host = {
    add: vi.fn(async (_: string, text: string) =>
      text === "wrong" ? { ...plugin, error: "it has no config" } : plugin,
    ),
    runAnew: vi.fn(async () => undefined),
    openForm: vi.fn(),
  };
  return { host, changing: () => new EditorDraft(host, SOURCE, "a/b:c") };
}

it("a plugin that is changed keeps the name of its file", async () => {
  const { host, changing } = fixture();
  const draft = changing();
  expect(draft.said.value?.text).toContain("It came from a/b:c");
  expect(draft.isUnsaved.value).toBe(false);
  draft.type("new");
  expect(draft.isUnsaved.value).toBe(true);
  await draft.save();
  expect(host.add.mock.calls).toEqual([["Cell plots.imjoy.html", "new"]]);
  expect(draft.isUnsaved.value).toBe(false);
  expect(draft.said.value).toEqual({ text: "Cell plots.imjoy.html is saved.", isProblem: false });
  expect(host.runAnew).not.toHaveBeenCalled();
  await draft.run(true);
  expect(host.runAnew).toHaveBeenCalledTimes(1);
});

it("what cannot be used is not saved, and runs nothing", async () => {
  const { host, changing } = fixture();
  const draft = changing();
  draft.type("wrong");
  await draft.run(true);
  expect(draft.said.value).toEqual({ text: "it has no config", isProblem: true });
  expect(draft.isUnsaved.value).toBe(true);
  expect(host.runAnew).not.toHaveBeenCalled();
});

it("live, what was typed runs by itself, once, and opens no form", async () => {
  const { host, changing } = fixture(NUCLEI);
  const draft = changing();
  draft.isLive.value = true;
  draft.type("one");
  draft.type("two");
  await settle(LIVE_AFTER_MS + 1);
  expect(host.add.mock.calls).toEqual([["Cell plots.imjoy.html", "two"]]);
  await draft.run(false);
  expect(host.add).toHaveBeenCalledTimes(1);
  expect(host.openForm).not.toHaveBeenCalled();
  await draft.run(true);
  expect(host.openForm).toHaveBeenCalledTimes(1);
});
