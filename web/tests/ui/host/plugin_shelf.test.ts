import { signal } from "@preact/signals";
import { expect, onTestFinished, test, vi } from "vitest";
import { ChosenMemory } from "../../../src/ui/host/chosen_memory.ts";
import { HostLink } from "../../../src/ui/host/host_link.ts";
import { PluginShelf } from "../../../src/ui/host/plugin_shelf.ts";
import { connected, hostFixture, mapStorage, settle } from "../../fake/host_fixture.ts";
import { NUCLEI } from "../../fake/plugins.ts";

test("the panel opens when there are some from the start, once", async () => {
  const { host, link, notices, memory } = hostFixture();
  const opened = vi.fn();
  const shelf = new PluginShelf(link, notices, memory, opened);
  expect(shelf.plugins.value).toBeNull();
  await connected({ link });
  expect(shelf.plugins.value?.map(({ name }) => name)).toEqual(["Nuclei", "Gaussian"]);
  expect(shelf.chosen.value).toBeNull();
  host.showPlugins([NUCLEI]);
  await settle();
  expect(opened).toHaveBeenCalledTimes(1);
});

test("where there is one thing to choose, it is chosen", async () => {
  const { host, link, notices, memory } = hostFixture();
  const opened = vi.fn();
  host.plugins = [NUCLEI];
  const shelf = new PluginShelf(link, notices, memory, opened);
  await connected({ link });
  expect(shelf.chosen.value?.operation.name).toBe("nuclei");
  shelf.showList();
  expect(shelf.chosen.value).toBeNull();
});

test("a file becomes a plugin, and a wrong one a notice", async () => {
  const { link, notices, memory, texts } = hostFixture();
  const opened = vi.fn();
  const shelf = new PluginShelf(link, notices, memory, opened);
  await connected({ link });
  const adding = shelf.add([new File(["def count(image): ..."], "count.py")]);
  await settle();
  await adding;
  expect(shelf.chosen.value?.plugin.id).toBe("count.py");
  expect(texts()).toEqual(["Added the plugin “count”."]);
  const more = shelf.add([new File(["x = 1"], "none.py"), new File([""], "a.txt")]);
  await settle();
  await more;
  expect(texts().slice(1)).toEqual([
    expect.stringContaining("none.py has no operation"),
    expect.stringContaining("“a.txt” is not a plugin"),
  ]);
  // It is in the list, which says why it cannot be used.
  expect(shelf.plugins.value?.map(({ id }) => id)).toContain("none.py");
});

test("a file in the place of another is said to replace it", async () => {
  const { link, notices, memory, texts } = hostFixture();
  const shelf = new PluginShelf(link, notices, memory, vi.fn());
  await connected({ link });
  const add = async (text: string) => {
    const adding = shelf.add([new File([text], "count.py")]);
    await settle();
    await adding;
  };
  await add("def count(image): ...");
  await add("def recount(image): ...");
  expect(texts()).toEqual(["Added the plugin “count”.", "Replaced the plugin “count”."]);
  expect(shelf.chosen.value?.operation.name).toBe("recount");
});

test("what was typed is kept by operation, also while the file is replaced", async () => {
  const { host, link, notices, memory } = hostFixture();
  const opened = vi.fn();
  const shelf = new PluginShelf(link, notices, memory, opened);
  await connected({ link });
  const [plugin] = shelf.plugins.value ?? [];
  const [first] = plugin?.operations ?? [];
  if (!plugin || !first) throw new Error("no plugin");
  shelf.choose(plugin, first);
  shelf.draftOf({ plugin, operation: first }).enter("sigma", "7");
  host.showPlugins([{ ...NUCLEI, version: "1.1" }]);
  await settle();
  const chosen = shelf.chosen.value;
  if (!chosen) throw new Error("the form was closed");
  expect(chosen.plugin.version).toBe("1.1");
  expect(shelf.draftOf(chosen).entries.value.get("sigma")).toBe("7");
  host.showPlugins([]);
  await settle();
  expect(shelf.chosen.value).toBeNull();
});

test("the form that was open is open again after a reload, if it is still there", async () => {
  const { host, link, notices, memory } = hostFixture();
  const [, gaussian] = host.plugins;
  const [operation] = gaussian?.operations ?? [];
  if (!gaussian || !operation) throw new Error("no plugin");
  const reloaded = async () => {
    const again = new HostLink(host.dial, signal(true));
    onTestFinished(() => again.dispose());
    const shelf = new PluginShelf(again, notices, memory, vi.fn());
    await connected({ link: again });
    return shelf;
  };
  const shelf = new PluginShelf(link, notices, memory, vi.fn());
  await connected({ link });
  shelf.choose(gaussian, operation);
  const second = await reloaded();
  expect(second.chosen.value?.operation.name).toBe(operation.name);
  second.showList();
  expect((await reloaded()).chosen.value).toBeNull();
  shelf.choose(gaussian, operation);
  host.showPlugins([{ ...NUCLEI, operations: [...NUCLEI.operations, operation] }]);
  const third = await reloaded();
  expect(third.chosen.value).toBeNull();
  // Nor does it open by itself once it is there again.
  host.showPlugins([NUCLEI, gaussian]);
  await settle();
  expect(third.chosen.value).toBeNull();
});

test("a browser without storage, or with something else in it, shows the list", () => {
  const refusing = new ChosenMemory(() => {
    throw new Error("denied");
  });
  refusing.keep(["a", "b"]);
  expect(refusing.recall()).toBeNull();
  for (const text of ["{", "7", "[1, 2]", '["a"]']) {
    const storage = mapStorage();
    storage.setItem("opsin.operation", text);
    expect(new ChosenMemory(() => storage).recall()).toBeNull();
  }
});
