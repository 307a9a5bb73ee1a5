import { expect, test } from "vitest";
import { sendToNapari } from "../../../src/ui/host/send_to_napari.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";
import { layer as layerOf } from "../../fake/scenes.ts";

const layer = layerOf(3, "plate 12: DAPI");

test("a layer is shown in napari, and that is said", async () => {
  const fixture = hostFixture();
  await connected(fixture);
  await sendToNapari(fixture.link, fixture.notices, layer);
  await settle();
  expect(fixture.called("send_to_napari")).toEqual(["send_to_napari 3"]);
  expect(fixture.texts()).toEqual(["“layer 3” is open in napari."]);
});

test("where none is running, that is said", async () => {
  const fixture = hostFixture();
  await connected(fixture);
  fixture.host.failures.set("send_to_napari", "No napari is running.");
  await sendToNapari(fixture.link, fixture.notices, layer);
  await settle();
  expect(fixture.texts()).toEqual(["No napari is running."]);
});
