// A page of a few lines that shows an image with viv.

import { Deck, OrbitView, OrthographicView } from "@deck.gl/core";
import {
  ColorPalette3DExtensions,
  loadOmeZarr,
  MultiscaleImageLayer,
  VolumeLayer,
} from "@hms-dbmi/viv";

const RESOLUTION = 1; // of volumes it shows one level, which has to be chosen: that of the screen

async function main({ follow, tour }) {
  const [width, height] = tour.canvas;
  const canvas = document.createElement("canvas");
  Object.assign(canvas, { width, height });
  document.body.style.margin = "0";
  document.body.append(canvas);
  const { data } = await loadOmeZarr(tour.image, { type: "multiscales" });
  let selections = [{}];
  const layer = ({ z }) => {
    if (z !== undefined && z !== selections[0].z) selections = [{ z }];
    return new MultiscaleImageLayer({
      id: "image",
      loader: data,
      selections,
      channelsVisible: [true],
      contrastLimits: [tour.contrast],
      colors: [[255, 255, 255]],
    });
  };
  // The centre of the first pixel is at 0 for the tour, at 0.5 for viv.
  const props = (camera) => ({
    viewState: {
      target: [camera.center[1] + 0.5, camera.center[0] + 0.5, 0],
      zoom: Math.log2(camera.zoom),
    },
    layers: [layer(camera)],
  });
  const volume = new VolumeLayer({
    id: "volume",
    loader: data,
    selections,
    channelsVisible: [true],
    contrastLimits: [tour.contrast],
    colors: [[255, 255, 255]],
    resolution: RESOLUTION,
    extensions: [new ColorPalette3DExtensions.MaximumIntensityProjectionExtension()],
  });
  const volumeProps = ({ center, zoom, angles: [turn] }) => ({
    viewState: {
      target: center.toReversed(),
      zoom: Math.log2(zoom),
      rotationOrbit: turn,
      rotationX: 0,
    },
    layers: [volume],
  });
  const isVolume = !!tour.start.angles;
  const shown = isVolume ? volumeProps : props;
  const deck = new Deck({
    canvas,
    width,
    height,
    views: isVolume
      ? new OrbitView({ id: "only", orbitAxis: "Y", orthographic: true })
      : new OrthographicView({ id: "only" }),
    controller: false,
    parameters: { clearColor: isVolume ? [0, 0, 0, 1] : [1, 0, 1, 1] },
    ...shown(tour.start),
  });
  await follow({ apply: (camera) => deck.setProps(shown(camera)) });
}

import("/view/tour.js").then((guide) => main(guide).catch(guide.failed));
