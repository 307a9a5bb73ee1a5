// Runs beside neuroglancer's own client, which says that it is there by `window.viewer`.

import { follow, readTour, report } from "/pages/tour.js";

const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function main() {
  const tour = await readTour();
  while (!window.viewer) await sleep(20);
  const { viewer } = window;
  for (const name of ["showUIControls", "showTopBar", "showPanelBorders"]) {
    viewer.uiConfiguration[name].value = false;
  }
  const hidden = tour.axes.slice(0, -2);
  const at = ([, y, x, , others]) => [...others, y, x];
  viewer.state.restoreState({
    dimensions: Object.fromEntries(tour.axes.map((name) => [name, [1, ""]])),
    displayDimensions: ["x", "y", ...hidden.slice(0, 1)],
    position: at(tour.moments[0]),
    crossSectionScale: 1 / tour.moments[0][3],
    layers: [{ type: "image", name: "image", source: `zarr2://${location.origin}/image.zarr/` }],
    layout: "xy",
    showScaleBar: false,
    showDefaultAnnotations: false,
    showAxisLines: false,
  });
  const order = () => viewer.coordinateSpace.value.names.map((name) => tour.axes.indexOf(name));
  const apply = (moment) => {
    const position = at(moment);
    viewer.position.value = Float32Array.from(order(), (axis) => position[axis]);
    viewer.crossSectionScale.value = 1 / moment[3];
  };
  const size = () => {
    const panel = document.querySelector(".neuroglancer-rendered-data-panel");
    return [panel.clientWidth, panel.clientHeight];
  };
  await follow(tour, apply, size);
}

main().catch((error) => report({ error: `${error}\n${error?.stack}` }));
