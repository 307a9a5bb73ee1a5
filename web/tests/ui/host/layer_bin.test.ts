import { expect, test } from "vitest";
import { LayerBin } from "../../../src/ui/host/layer_bin.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";
import { layer as layerOf } from "../../fake/scenes.ts";

const layer = layerOf(0, "plate 12: DAPI");

async function binFixture() {
  const fixture = hostFixture();
  const bin = new LayerBin(fixture.desk, fixture.link);
  await connected(fixture);
  return { ...fixture, bin };
}

test("a removed layer comes back by undo, goes again by redo, and comes back by the notice", async () => {
  const { host, bin, desk, notices } = await binFixture();
  void bin.remove(layer);
  await settle();
  expect(bin.removed.value.has(0)).toBe(true);
  desk.undo();
  await settle();
  desk.redo();
  await settle();
  notices.shown.value[0]?.action?.run();
  await settle();
  // What is there is not brought back twice.
  desk.undo();
  await settle();
  const changes = host.calls.filter((call) => call.includes("_layer"));
  expect(changes).toEqual([
    "remove_layer 0",
    "restore_layer 0",
    "remove_layer 0",
    "restore_layer 0",
  ]);
  expect(bin.removed.value.size).toBe(0);
});

test("a layer stays where the host refuses", async () => {
  const { host, bin, desk, texts, called } = await binFixture();
  host.failures.set("remove_layer", "A job works on it.");
  void bin.remove(layer);
  await settle();
  expect(bin.removed.value.size).toBe(0);
  expect(texts()).toEqual(["“plate 12: DAPI” could not be removed: A job works on it."]);
  desk.undo();
  await settle();
  expect(called("restore_layer")).toEqual([]);
});
