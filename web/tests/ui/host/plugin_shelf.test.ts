import { expect, test, vi } from "vitest";
import { PluginShelf } from "../../../src/ui/host/plugin_shelf.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";
import { NUCLEI } from "../../fake/plugins.ts";

test("the panel opens when there are some from the start, once", async () => {
  const { host, link, notices } = hostFixture();
  const opened = vi.fn();
  const shelf = new PluginShelf(link, notices, opened);
  expect(shelf.plugins.value).toBeNull();
  await connected({ link });
  expect(shelf.plugins.value?.map(({ name }) => name)).toEqual(["Nuclei", "Gaussian"]);
  expect(shelf.chosen.value).toBeNull();
  host.showPlugins([NUCLEI]);
  await settle();
  expect(opened).toHaveBeenCalledTimes(1);
});

test("where there is one thing to choose, it is chosen", async () => {
  const { host, link, notices } = hostFixture();
  const opened = vi.fn();
  host.plugins = [NUCLEI];
  const shelf = new PluginShelf(link, notices, opened);
  await connected({ link });
  expect(shelf.chosen.value?.operation.name).toBe("nuclei");
  shelf.showList();
  expect(shelf.chosen.value).toBeNull();
});

test("a file becomes a plugin, and a wrong one a notice", async () => {
  const { link, notices, texts } = hostFixture();
  const opened = vi.fn();
  const shelf = new PluginShelf(link, notices, opened);
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
  const { link, notices, texts } = hostFixture();
  const shelf = new PluginShelf(link, notices, vi.fn());
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
  const { host, link, notices } = hostFixture();
  const opened = vi.fn();
  const shelf = new PluginShelf(link, notices, opened);
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
