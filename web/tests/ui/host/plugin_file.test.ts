import { expect, test } from "vitest";
import { readPluginFile } from "../../../src/ui/host/plugin_file.ts";

test("a Python file is read as text", async () => {
  await expect(readPluginFile(new File(["def f(): ...\n# é"], "F.PY"))).resolves.toBe(
    "def f(): ...\n# é",
  );
});

test.each<[string, File, string]>([
  ["another kind", new File(["x"], "cells.tif"), "opsin view cells.tif"],
  ["a large one", new File([new Uint8Array((256 << 10) + 1)], "a.py"), "more than 256 KiB"],
  ["bytes", new File([Uint8Array.of(0xff, 0xfe, 0)], "a.py"), "not text in UTF-8"],
])("%s is refused, and why", async (_, file, reason) => {
  await expect(readPluginFile(file)).rejects.toThrow(reason);
});

test("what cannot be read is named", async () => {
  const folder = new File([], "folder.py");
  folder.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotFoundError"));
  await expect(readPluginFile(folder)).rejects.toThrow("“folder.py” could not be read");
});
