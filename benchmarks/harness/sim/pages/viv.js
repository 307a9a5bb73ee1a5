// A page of a few lines that shows an image with viv.

import { Deck, OrthographicView } from "@deck.gl/core";
import { loadOmeZarr, MultiscaleImageLayer } from "@hms-dbmi/viv";
import { follow, readTour, report } from "./tour.js";

async function main() {
  const tour = await readTour();
  const { data } = await loadOmeZarr(`${location.origin}/image.zarr`, { type: "multiscales" });
  const [width, height] = tour.canvas;
  const hidden = tour.axes.slice(0, -2);
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  document.body.style.margin = "0";
  document.body.append(canvas);
  let selections = null;
  const layer = (moment) => {
    const selection = Object.fromEntries(hidden.map((name, i) => [name, moment[4][i]]));
    if (JSON.stringify([selection]) !== JSON.stringify(selections)) selections = [selection];
    return new MultiscaleImageLayer({
      id: "image",
      loader: data,
      selections,
      channelsVisible: [true],
      contrastLimits: [[0, 65535]],
      colors: [[255, 255, 255]],
    });
  };
  // The centre of the first pixel is at 0 for us, at 0.5 for viv.
  const props = (moment) => ({
    viewState: { target: [moment[2] + 0.5, moment[1] + 0.5, 0], zoom: Math.log2(moment[3]) },
    layers: [layer(moment)],
  });
  const deck = new Deck({
    canvas,
    width,
    height,
    views: new OrthographicView({ id: "only" }),
    controller: false,
    ...props(tour.moments[0]),
  });
  await follow(
    tour,
    (moment) => deck.setProps(props(moment)),
    () => [canvas.clientWidth, canvas.clientHeight],
  );
}

main().catch((error) => report({ error: `${error}\n${error?.stack}` }));
