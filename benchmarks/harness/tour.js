// Runs before the app: opens it, looks at ten places, and reports what was presented when.
// All times are milliseconds since the epoch.

const STEPS = 15; // camera changes on the way from one view to the next, one per animation frame
const PAUSE_MS = 100;
// Where, as parts of the image's height and width, and how many screen pixels per image pixel.
const VIEWS = [
  [0.5, 0.5, 0.1],
  [0.3, 0.3, 0.5],
  [0.3, 0.32, 1],
  [0.33, 0.36, 1],
  [0.7, 0.6, 0.25],
  [0.72, 0.62, 1],
  [0.5, 0.5, 0.06],
  [0.2, 0.8, 2],
  [0.21, 0.78, 1],
  [0.8, 0.2, 0.5],
];

const now = () => performance.timeOrigin + performance.now();
const nextFrame = () => new Promise(requestAnimationFrame);

async function tour(viewer) {
  const report = {
    navigated: Number(new URLSearchParams(location.search).get("navigated")),
    views: [],
    linkBytes: 0,
  };
  viewer.on("stats", (stats) => {
    report.linkBytes = stats.linkBytes;
    report.failed = stats.failed;
  });
  const stopOpening = viewer.recordFrames();
  await viewer.settled();
  report.opening = await stopOpening();
  report.size = viewer.size;
  const level = viewer.scene.layers[0].levels[0];
  for (const [y, x, scale] of VIEWS) {
    const from = viewer.camera;
    const center = [y * level.shape[0] * level.scale[0], x * level.shape[1] * level.scale[1]];
    const zoom = scale / level.scale[0];
    const stopView = viewer.recordFrames();
    const inputs = [];
    for (let step = 1; step <= STEPS; step++) {
      await nextFrame();
      const t = step / STEPS;
      const camera = {
        center: center.map((end, axis) => from.center[axis] + (end - from.center[axis]) * t),
        zoom: from.zoom * (zoom / from.zoom) ** t,
      };
      inputs.push({ time: now(), ...camera });
      viewer.setCamera(camera);
    }
    await viewer.settled();
    report.views.push({ inputs, frames: await stopView() });
    await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
  }
  return report;
}

async function run(viewer) {
  let report;
  try {
    report = await tour(viewer);
  } catch (error) {
    report = { error: String(error) };
  }
  await fetch("/report", { method: "POST", body: JSON.stringify(report) });
}

// The app says when there is a viewer by setting this.
Object.defineProperty(window, "opsin", {
  configurable: true,
  set(value) {
    Object.defineProperty(window, "opsin", { value });
    run(value.viewer);
  },
});
