import { expect, test } from "vitest";
import { splitPath } from "../../../src/ui/host/result_places.tsx";

test.each([
  ["~/results/nuclei.ome.zarr", "~/results", "/nuclei.ome.zarr"],
  ["~/results/", "~", "/results/"],
  ["C:\\Users\\Ada\\cells.csv", "C:\\Users\\Ada", "\\cells.csv"],
  ["cells.csv", "", "cells.csv"],
  ["/", "", "/"],
  ["", "", ""],
])("of %s the name stays whole", (path, start, end) => {
  expect(splitPath(path)).toEqual([start, end]);
});
