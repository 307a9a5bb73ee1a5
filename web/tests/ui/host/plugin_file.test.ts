import { expect, test } from "vitest";
import { readPluginFile } from "../../../src/ui/host/plugin_file.ts";

test("a Python file is read as text", async () => {
  await expect(readPluginFile(new File(["def f(): ...\n# é"], "F.PY"))).resolves.toBe(
    "def f(): ...\n# é",
  );
});

test("a file of ImJoy may be as large as its attachments make it", async () => {
  const text = "x".repeat(1 << 20);
  await expect(readPluginFile(new File([text], "a.IMJOY.html"))).resolves.toBe(text);
});

test.each<[string, File, string]>([
  ["another kind", new File(["x"], "cells.tif"), "Drop images onto the window"],
  ["a large one", new File([new Uint8Array((256 << 10) + 1)], "a.py"), "more than 256 KiB"],
  [
    "a large one of ImJoy",
    new File([new Uint8Array((16 << 20) + 1)], "a.imjoy.html"),
    "more than 16 MiB",
  ],
  ["bytes", new File([Uint8Array.of(0xff, 0xfe, 0)], "a.py"), "not text in UTF-8"],
])("%s is refused, and why", async (_, file, reason) => {
  await expect(readPluginFile(file)).rejects.toThrow(reason);
});

test("what cannot be read is named", async () => {
  const folder = new File([], "folder.py");
  folder.arrayBuffer = () => Promise.reject(new DOMException("gone", "NotFoundError"));
  await expect(readPluginFile(folder)).rejects.toThrow("“folder.py” could not be read");
});
