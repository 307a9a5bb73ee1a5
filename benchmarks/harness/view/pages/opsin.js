// Runs before Opsin's own app, which says that there is a viewer by setting `window.opsin`.

import { failed, follow, tour } from "/view/tour.js";

const VOLUME = {
  perspective: 0,
  mode: "mip",
  density: null,
  threshold: null,
  quality: 1,
  clip: null,
};

async function main(viewer) {
  let linkBytes = 0;
  viewer.on("stats", (stats) => {
    linkBytes = stats.linkBytes;
  });
  const apply = tour.start.angles ? lookAtVolume : lookAtSlice;
  function lookAtSlice({ center, zoom, z }) {
    viewer.setCamera({ center, zoom, ...(z === undefined ? {} : { position: { z } }) });
  }
  function lookAtVolume({ center, zoom, angles: [turn] }) {
    const half = (turn * Math.PI) / 360;
    const volume = {
      ...VOLUME,
      center,
      zoom,
      displayed: tour.axes,
      orientation: [Math.cos(half), 0, Math.sin(half), 0],
    };
    viewer.setCamera({ volume });
  }
  apply(tour.start);
  await follow({ apply, numbers: () => ({ linkBytes }) });
}

if (window.opsin) main(window.opsin.viewer).catch(failed);
else {
  Object.defineProperty(window, "opsin", {
    configurable: true,
    set(value) {
      Object.defineProperty(window, "opsin", { value });
      main(value.viewer).catch(failed);
    },
  });
}
