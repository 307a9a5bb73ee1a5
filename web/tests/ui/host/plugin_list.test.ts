import { expect, it } from "vitest";
import { summaryOf } from "../../../src/ui/host/permissions.tsx";
import { matching } from "../../../src/ui/host/plugin_list.tsx";
import { consequences } from "../../../src/ui/host/remove_dialog.tsx";
import { asked, EVERYTHING, GAUSSIAN, NUCLEI, PLUGINS, plugin, VIZ } from "../../fake/plugins.ts";

const names = (query: string) => matching(PLUGINS, query).map(({ id }) => id);

it("plugins are found by what they are called, say, are, and where they are from", () => {
  expect(names("plots")).toEqual([VIZ.id]);
  expect(names("imjoy")).toEqual([VIZ.id]);
  expect(names("WATERSHED otsu")).toEqual([NUCLEI.id]);
  const fetched = { ...GAUSSIAN, origin: "oeway/DSB2018:Gauss" };
  expect(matching([NUCLEI, fetched], "dsb2018")).toEqual([fetched]);
  expect(names("world").map((id) => id)).toEqual([GAUSSIAN.id]);
  expect(matching(PLUGINS, "world")[0]?.operations).toHaveLength(1);
  expect(names("nothing of the kind")).toEqual([]);
});

it("what a plugin may use is one line", () => {
  expect(summaryOf(EVERYTHING.permissions)).toBe(
    "May use: other programs; not: network, files, graphics card",
  );
  expect(summaryOf([asked("network", "", "allowed"), asked("files", "", "allowed", ["/a"])])).toBe(
    "May use: network, files",
  );
  expect(summaryOf([asked("network"), asked("gpu", "", "refused")])).toBe(
    "May not use: network, graphics card",
  );
});

it("who removes a plugin knows what becomes of its file", () => {
  const said = (more: Parameters<typeof plugin>[1], isLoaded = false) =>
    consequences(plugin("p.py", more), isLoaded).join(" ");
  expect(said({})).toContain("Its file plugins/p.py stays as it is.");
  expect(said({ kept: true })).toContain("is deleted");
  expect(said({ kept: true, origin: "a/b:c" })).toContain("can be added again from a/b:c");
  expect(said({ kind: "napari" })).toMatch(/^It is taken from the list\. What you/);
  expect(said({}, true)).toMatch(/^It is loaded: that ends/);
});
