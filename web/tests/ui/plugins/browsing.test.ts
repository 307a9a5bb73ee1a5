import { expect, it, vi } from "vitest";
import { Browsing } from "../../../src/ui/plugins/dialogs/browsing.ts";
import { parentOf, stepsOf } from "../../../src/ui/plugins/dialogs/folder_view.ts";
import { Folders } from "../../../src/ui/plugins/dialogs/folders.ts";
import type { FileWish, Folder } from "../../../src/ui/plugins/service.ts";

const file = (path: string, size = 5) => entry(path, false, size);
const folder = (path: string) => entry(path, true, 0);

function entry(path: string, is_folder: boolean, size: number) {
  return { name: path.split("/").at(-1) ?? "", path, is_folder, size };
}

const HOME: Folder = {
  path: "/data/ada",
  parent: "/data",
  entries: [folder("/data/ada/data"), folder("/data/ada/more"), file("/data/ada/a.tif")],
};
const DATA: Folder = {
  path: "/data/ada/data",
  parent: "/data/ada",
  entries: [file("/data/ada/data/b.tif"), file("/data/ada/data/c.tif"), file("/data/ada/data/d")],
};
const TREE = new Map([
  ["", HOME],
  [HOME.path, HOME],
  [DATA.path, DATA],
  ["/data", { path: "/data", parent: "/", entries: [folder("/data/ada")] }],
  ["/data/ada/more", { path: "/data/ada/more", parent: "/data/ada", entries: [] }],
]);

async function begun(wish: Partial<FileWish> = {}, tree: ReadonlyMap<string, Folder> = TREE) {
  const answer = vi.fn();
  const folders = new Folders(async (path) => {
    const found = tree.get(path);
    if (!found) throw new Error(`${path} cannot be listed: No such file or directory.`);
    return found;
  });
  const browsing = new Browsing({ type: "file", ...wish }, folders, answer);
  await browsing.begin();
  const names = () => browsing.given.value.map(({ name }) => name);
  return { browsing, folders, answer, names };
}

it("one begins at home, enters a folder, and takes a file of it", async () => {
  const { browsing, folders, answer } = await begun();
  expect(browsing.typed.value).toBe("/data/ada");
  browsing.choose();
  expect(browsing.problem.value).toBe("Choose a file first.");
  await browsing.open(0);
  expect(browsing.folder.value).toBe(DATA);
  expect(browsing.problem.value).toBe("");
  await browsing.open(1);
  expect(answer.mock.calls).toEqual([[[{ name: "c.tif", path: "/data/ada/data/c.tif" }]]]);
  expect(folders.last).toBe("/data/ada/data");
});

it("above a folder, that folder is where keys begin", async () => {
  const { browsing } = await begun({ root: "/data/ada/data" });
  expect(browsing.folder.value).toBe(DATA);
  await browsing.up();
  expect(browsing.row.value).toBe(0);
  browsing.move(1, false);
  await browsing.open(browsing.row.value);
  await browsing.up();
  expect(browsing.row.value).toBe(1);
  await browsing.up();
  await browsing.up();
  expect(browsing.folder.value?.path).toBe("/data");
});

it("several are chosen where a plugin takes several, one where it takes one", async () => {
  const many = await begun({ mode: "single|multiple", root: DATA.path });
  many.browsing.press(0);
  many.browsing.press(2, { more: true });
  expect(many.names()).toEqual(["b.tif", "d"]);
  many.browsing.press(0);
  many.browsing.move(1, true);
  many.browsing.move(2, true);
  expect(many.names()).toEqual(["b.tif", "c.tif", "d"]);
  many.browsing.choose();
  expect(many.answer.mock.calls[0]?.[0]).toHaveLength(3);
  const one = await begun({ mode: "single", root: DATA.path });
  one.browsing.press(0);
  one.browsing.press(2, { more: true });
  expect(one.names()).toEqual(["d"]);
});

it("of folders the one that is shown is taken, or one in it; files are not there", async () => {
  const { browsing, names, answer } = await begun({ type: "directory" });
  expect(browsing.entries.value.map(({ name }) => name)).toEqual(["data", "more"]);
  expect(names()).toEqual(["ada"]);
  browsing.move(1, false);
  expect(names()).toEqual(["more"]);
  browsing.choose();
  expect(answer.mock.calls).toEqual([[[{ name: "more", path: "/data/ada/more" }]]]);
});

it("letters that are typed lead to the next such name", async () => {
  const { browsing } = await begun({ root: DATA.path });
  browsing.seek("d", 0);
  expect(browsing.row.value).toBe(2);
  browsing.seek("b", 5000);
  browsing.seek(".", 5100);
  expect(browsing.row.value).toBe(0);
});

it.each([
  ["/data/ada/data/b.tif", "/data/ada/data/b.tif"],
  ["/data/ada/data/.hidden", "/data/ada/data/.hidden"],
])("a path that is typed is taken: %s", async (typed, path) => {
  const { browsing, answer } = await begun();
  browsing.typed.value = typed;
  await browsing.take();
  expect(answer.mock.calls[0]?.[0][0].path).toBe(path);
});

it("of a path that leads nowhere one hears that, and stays", async () => {
  const { browsing, answer } = await begun();
  const take = async (typed: string) => {
    browsing.typed.value = typed;
    await browsing.take();
    return browsing.problem.value;
  };
  expect(await take("/data/ada/data/none.tif")).toBe("There is no none.tif in /data/ada/data.");
  expect(await take("/none/at/all")).toContain("cannot be listed");
  expect(browsing.folder.value).toBe(HOME);
  expect(await take("/data")).toBe("");
  expect(answer).not.toHaveBeenCalled();
});

it("where a plugin begins can be wrong, and a host can show nothing", async () => {
  const wrong = await begun({ root: "/none" });
  expect(wrong.browsing.folder.value).toBe(HOME);
  expect(wrong.browsing.problem.value).toContain("/none cannot be listed");
  const nothing = await begun({ root: "/none" }, new Map());
  expect(nothing.browsing.isRefused.value).toBe(true);
  expect(nothing.browsing.typed.value).toBe("/none");
});

it("what comes late of another folder is not shown", async () => {
  const { browsing } = await begun();
  const first = browsing.go("/data");
  await browsing.go(DATA.path);
  await first;
  expect(browsing.folder.value).toBe(DATA);
  expect(browsing.isLoading.value).toBe(false);
  const second = browsing.go("/data");
  browsing.typed.value = "/data/ada/m";
  await second;
  expect(browsing.typed.value).toBe("/data/ada/m");
});

it("paths of any system have steps, and something above", () => {
  expect(stepsOf("/data/x").map(({ path }) => path)).toEqual(["/", "/data", "/data/x"]);
  expect(stepsOf("C:\\data\\x").map(({ path }) => path)).toEqual([
    "C:\\",
    "C:\\data",
    "C:\\data\\x",
  ]);
  expect(["/a/b/", "/a", "C:\\a", "C:\\a\\b", "~/x"].map(parentOf)).toEqual([
    "/a",
    "/",
    "C:\\",
    "C:\\a",
    "~",
  ]);
});
