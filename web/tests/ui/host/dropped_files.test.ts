import { signal } from "@preact/signals";
import { expect, test } from "vitest";
import { DroppedFiles } from "../../../src/ui/host/dropped_files.ts";
import { carriedFile, fileInputFor, takesFile } from "../../../src/ui/host/file_inputs.ts";
import { isPluginFile } from "../../../src/ui/host/plugin_file.ts";
import { PluginShelf } from "../../../src/ui/host/plugin_shelf.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";
import { operation } from "../../fake/plugins.ts";

const ANY = { name: "a", title: "A", extensions: [], types: [], smallest: 0, largest: null };
const CELLS = new File(["y,x\n1,2\n"], "Cells.CSV", { type: "text/csv" });

test("a file fits by the ending of its name, its type and its size", () => {
  expect(takesFile(ANY, CELLS)).toBe(true);
  expect(takesFile({ ...ANY, extensions: ["tsv", "csv"] }, CELLS)).toBe(true);
  expect(takesFile({ ...ANY, extensions: ["sv"] }, CELLS)).toBe(false);
  expect(takesFile({ ...ANY, types: ["text/*"] }, CELLS)).toBe(true);
  expect(takesFile({ ...ANY, types: ["text"] }, CELLS)).toBe(false);
  expect(takesFile({ ...ANY, extensions: ["csv"], types: ["image/png"] }, CELLS)).toBe(false);
  expect(takesFile({ ...ANY, smallest: 8, largest: 8 }, CELLS)).toBe(true);
  expect(takesFile({ ...ANY, smallest: 9 }, CELLS)).toBe(false);
  expect(takesFile({ ...ANY, largest: 7 }, CELLS)).toBe(false);
});

test("an operation that cannot be run takes none", () => {
  const reads = operation("reads", {}, { inputs: [], files: [{ ...ANY, extensions: ["csv"] }] });
  expect(fileInputFor(reads, CELLS)?.name).toBe("a");
  expect(fileInputFor({ ...reads, refused: "It needs conda." }, CELLS)).toBeNull();
  expect(fileInputFor(operation("other"), CELLS)).toBeNull();
});

test("a file travels with its name, its type and its bytes", async () => {
  const { _rvalue, ...about } = await carriedFile(CELLS);
  expect(about).toEqual({
    _rtype: "file",
    _rname: "Cells.CSV",
    _rmime: "text/csv",
    _rpath: "Cells.CSV",
  });
  expect(new TextDecoder().decode(_rvalue)).toBe("y,x\n1,2\n");
});

test("what is a plugin goes by the name", () => {
  const named = (name: string) => isPluginFile({ name });
  expect(["a.py", "a.PYI", "b.imjoy.html"].filter(named)).toHaveLength(3);
  expect(["a.html", "py", "a.py.tif", "a.png"].filter(named)).toEqual([]);
});

test("what nobody takes is shown, and whoever wants may go on with it", async () => {
  const { desk, link, memory } = hostFixture();
  const commands = {
    runWith: signal<number | string | File | null>(null),
    pluginsOpen: signal(false),
  };
  const shelf = new PluginShelf(link, desk.notices, memory, () => {});
  const shown: string[] = [];
  const dropped = new DroppedFiles(commands, shelf, desk.notices, async ({ name }) => {
    shown.push(name);
    if (name === "bad.tif") throw new Error("It is cut off.");
    return [7];
  });
  await dropped.take([new File(["1"], "good.tif"), new File(["2"], "bad.tif")]);
  expect(shown).toEqual(["good.tif", "bad.tif"]);
  const texts = desk.notices.shown.value.map(({ text }) => text);
  expect(texts).toContain("“bad.tif” could not be opened: It is cut off.");
  const done = desk.notices.shown.value.find(({ text }) => text === "“good.tif” is open.");
  done?.action?.run();
  expect(commands.runWith.value).toBe(7);
});

test("what is dropped before the host has told its plugins waits for them, but not for ever", async () => {
  const { host, desk, link, memory } = hostFixture();
  const reads = operation("reads", {}, { inputs: [], files: [{ ...ANY, extensions: ["csv"] }] });
  const [plugin] = host.plugins;
  if (plugin) host.plugins = [{ ...plugin, operations: [reads] }];
  const commands = {
    runWith: signal<number | string | File | null>(null),
    pluginsOpen: signal(false),
  };
  const shown: string[] = [];
  const droppedAt = (shelf: PluginShelf) =>
    new DroppedFiles(commands, shelf, desk.notices, async ({ name }) => {
      shown.push(name);
      return [];
    });
  const early = droppedAt(new PluginShelf(link, desk.notices, memory, () => {})).take([CELLS]);
  await settle();
  expect(commands.runWith.value).toBeNull();
  await connected({ link });
  await early;
  expect(commands.runWith.value).toBe(CELLS);
  expect(shown).toEqual([]);
  const other = hostFixture();
  const unheard = new PluginShelf(other.link, other.notices, other.memory, () => {});
  const late = droppedAt(unheard).take([CELLS]);
  await settle(5001);
  await late;
  expect(shown).toEqual(["Cells.CSV"]);
});
