// Runs beside neuroglancer's own client, which says that it is there by `window.viewer`.

import { failed, follow, tour } from "/view/tour.js";

const SHADER = `#uicontrol invlerp normalized(range=[${tour.contrast}])
void main() { emitGrayscale(normalized()); }`;

async function main() {
  while (!window.viewer) await new Promise((resolve) => setTimeout(resolve, 5));
  const { viewer } = window;
  for (const name of ["showUIControls", "showTopBar", "showPanelBorders"]) {
    viewer.uiConfiguration[name].value = false;
  }
  const at = ({ center, z }) => (z === undefined ? center : [z, ...center]);
  const isVolume = !!tour.start.angles;
  const turned = ([turn]) => {
    const half = (turn * Math.PI) / 360;
    return [0, Math.sin(half), 0, Math.cos(half)];
  };
  const height = tour.canvas[1];
  viewer.state.restoreState({
    dimensions: Object.fromEntries(tour.axes.map((name) => [name, [1, ""]])),
    displayDimensions: ["x", "y", ...tour.axes.slice(0, -2)],
    position: at(tour.start),
    crossSectionScale: 1 / tour.start.zoom,
    projectionScale: height / tour.start.zoom,
    ...(isVolume ? { projectionOrientation: turned(tour.start.angles) } : {}),
    layers: [
      {
        type: "image",
        name: "image",
        source: `${tour.image}/|zarr3:`,
        shader: SHADER,
        opacity: 1,
        ...(isVolume ? { volumeRendering: "max" } : {}),
      },
    ],
    layout: isVolume ? { type: "3d", orthographicProjection: true } : "xy",
    crossSectionBackgroundColor: "#ff00ff",
    projectionBackgroundColor: "#000000",
    showSlices: false,
    showScaleBar: false,
    showDefaultAnnotations: false,
    showAxisLines: false,
  });
  const order = () => viewer.coordinateSpace.value.names.map((name) => tour.axes.indexOf(name));
  const apply = (camera) => {
    const position = at(camera);
    viewer.position.value = Float32Array.from(order(), (axis) => position[axis]);
    if (!isVolume) viewer.crossSectionScale.value = 1 / camera.zoom;
    else {
      viewer.projectionScale.value = height / camera.zoom;
      viewer.projectionOrientation.orientation.set(turned(camera.angles));
      viewer.projectionOrientation.changed.dispatch();
    }
  };
  await follow({ apply });
}

main().catch(failed);
