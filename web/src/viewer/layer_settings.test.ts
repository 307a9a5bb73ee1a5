import { expect, test } from "vitest";
import { layerOf, pyramid } from "../../tests/viewer/layers.ts";
import { SettingsTable } from "./layer_settings.ts";

test("changes lie over the defaults, also when they come first", () => {
  const settings = new SettingsTable();
  expect(settings.change(0, { opacity: 0.5 }).colormap).toBe("gray");
  const layer = layerOf(pyramid([9, 9], 1));
  settings.setScene([{ ...layer, defaults: { ...layer.defaults, colormap: "viridis" } }]);
  expect(settings.get(0)).toMatchObject({ opacity: 0.5, colormap: "viridis", visible: true });
  settings.change(0, { visible: false });
  expect(settings.get(0)).toMatchObject({ opacity: 0.5, visible: false });
});
