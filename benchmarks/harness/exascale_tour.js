// Runs before the app: flies from stop to stop, and reports what was presented when and how it looked; or
// in place of it, and only rests. Which stands in the address. All times are milliseconds since the epoch.

const SAMPLED_EVERY_MS = 100;
const REDUCED = 16;
const AT_LAST_MS = 300; // what a worker draws is seen a little later

const flight = JSON.parse(new URLSearchParams(location.search).get("flight"));
const now = () => performance.timeOrigin + performance.now();
const nextFrame = () => new Promise(requestAnimationFrame);
const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

async function fly(viewer) {
  const report = { stops: [], back: [], gaps: [], peak: { slots: 0, cache: 0 }, failed: 0 };
  viewer.on("stats", (stats) => {
    report.peak.slots = Math.max(report.peak.slots, stats.slotBytes);
    report.peak.cache = Math.max(report.peak.cache, stats.cacheBytes + stats.inFlight);
    report.failed = stats.failed;
    report.bricks = stats.wanted;
  });
  await viewer.settled();
  // No window is as small as canvases may be.
  const [width, height] = flight.size;
  Object.assign(document.querySelector("canvas").style, { width: `${width}px`, height: `${height}px` });
  while (String(viewer.size) !== String(flight.size)) await nextFrame();
  viewer.setLayer(viewer.scene.layers[0].id, flight.layer);
  if (flight.volume) {
    viewer.showVolume(true);
    viewer.setCamera({ volume: { ...viewer.camera.volume, ...flight.volume } });
    viewer.fit();
  }
  await viewer.settled();
  report.size = viewer.size;
  for (const stop of flight.stops) report.stops.push(await flyTo(viewer, stop, true));
  // And back, without looking at the canvas, which keeps the page waiting.
  const stopGaps = keepGaps(report.gaps);
  const began = now();
  const back = flight.stops.slice(0, -1).toReversed();
  for (const stop of back) report.back.push(await flyTo(viewer, stop, false));
  report.flew = now() - began;
  stopGaps();
  for (const stop of report.stops) stop.picture = await base64(stop.picture);
  return report;
}

/** Between two animation frames of the page, in milliseconds. */
function keepGaps(gaps) {
  let [before, running] = [performance.now(), true];
  const frame = () => {
    const time = performance.now();
    gaps.push(time - before);
    before = time;
    if (running) requestAnimationFrame(frame);
  };
  requestAnimationFrame(frame);
  return () => {
    running = false;
  };
}

async function flyTo(viewer, stop, isLookedAt) {
  const from = viewer.camera.volume ?? viewer.camera;
  const stopRecording = viewer.recordFrames();
  const inputs = [];
  for (let step = 1; step <= flight.steps; step++) {
    const share = step / flight.steps;
    const zoom = step === flight.steps ? stop.zoom : from.zoom * (stop.zoom / from.zoom) ** share;
    // The centre moves as fast on the canvas, whatever the zoom.
    const way =
      stop.zoom === from.zoom ? share : (1 / from.zoom - 1 / zoom) / (1 / from.zoom - 1 / stop.zoom);
    inputs.push({ time: now(), zoom });
    look(viewer, from.center.map((at, axis) => at + (stop.center[axis] - at) * way), zoom);
    await pause(flight.every);
  }
  if (!isLookedAt) {
    await viewer.settled();
    return { name: stop.name, inputs, frames: await stopRecording() };
  }
  const stopSampling = sample(viewer.size);
  await viewer.settled();
  await pause(AT_LAST_MS);
  const [samples, frames] = [stopSampling(), await stopRecording()];
  return { name: stop.name, inputs, samples, frames, picture: await viewer.capture() };
}

function look(viewer, center, zoom) {
  const { volume } = viewer.camera;
  viewer.setCamera(volume ? { volume: { ...volume, center, zoom } } : { center, zoom });
}

/** Reduced pictures of the canvas, every so often until the end and then once more. */
function sample([width, height]) {
  const canvas = document.querySelector("canvas");
  const size = [Math.floor(width / REDUCED), Math.floor(height / REDUCED)];
  const small = new OffscreenCanvas(...size);
  const context = small.getContext("2d", { willReadFrequently: true });
  context.imageSmoothingQuality = "high";
  const samples = [];
  const take = () => {
    context.drawImage(canvas, 0, 0, ...size);
    const { data } = context.getImageData(0, 0, ...size);
    samples.push({ time: now(), size, pixels: btoa(String.fromCharCode(...data)) });
  };
  const timer = setInterval(take, SAMPLED_EVERY_MS);
  return () => {
    clearInterval(timer);
    take();
    return samples;
  };
}

async function base64(blob) {
  const bytes = new Uint8Array(await blob.arrayBuffer());
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return btoa(text);
}

/** What a page that does nothing else would report. */
async function rest() {
  const report = { gaps: [] };
  const stopGaps = keepGaps(report.gaps);
  await pause(flight.rests);
  stopGaps();
  return report;
}

async function run(work) {
  let report;
  try {
    report = await work();
  } catch (error) {
    report = { error: String(error) };
  }
  await fetch("/report", { method: "POST", body: JSON.stringify(report) });
}

if (flight.rests) {
  run(rest);
} else {
  // The app says when there is a viewer by setting this.
  Object.defineProperty(window, "opsin", {
    configurable: true,
    set(value) {
      Object.defineProperty(window, "opsin", { value });
      run(() => fly(value.viewer));
    },
  });
}
