// A page of a few lines that shows an OME-Zarr with viv. What, and from where, stands behind `#`.

import { Deck, OrthographicView } from "@deck.gl/core";
import { ImageLayer, loadOmeZarr, MultiscaleImageLayer } from "@hms-dbmi/viv";

async function main() {
  const { address, selection, target, zoom, contrast } = JSON.parse(
    decodeURIComponent(location.hash.slice(1)),
  );
  const { data, metadata } = await loadOmeZarr(address, { type: "multiscales" });
  const Layer = data.length > 1 ? MultiscaleImageLayer : ImageLayer;
  const layer = new Layer({
    id: "image",
    loader: data.length > 1 ? data : data[0],
    selections: [selection],
    channelsVisible: [true],
    contrastLimits: [contrast],
    colors: [[255, 255, 255]],
  });
  document.body.style.margin = "0";
  const canvas = document.createElement("canvas");
  document.body.append(canvas);
  const deck = new Deck({
    canvas,
    width: innerWidth,
    height: innerHeight,
    views: new OrthographicView({ id: "only" }),
    viewState: { target, zoom },
    controller: false,
    layers: [layer],
    parameters: { clearColor: [0, 0, 0, 1] },
    onAfterRender: () => {
      const layers = deck.layerManager?.getLayers() ?? [];
      window.ready = layers.length > 0 && layers.every((one) => one.isLoaded);
    },
  });
  window.metadata = metadata;
}

main().catch((error) => {
  window.failure = `${error}\n${error?.stack}`;
});
