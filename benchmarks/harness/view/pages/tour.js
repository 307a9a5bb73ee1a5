// Leads any viewer along the same tour, at the same pace, and sends what the probe saw.

const probe = window.canvasProbe;
const nextFrame = () => new Promise(requestAnimationFrame);
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const SLOWING = 4; // how much slower a slowing move ends than it began, as a power of e
const LATEST_MS = 200; // that the probe may lag behind, at rest
const LONGEST_MS = 20000;
const LONGEST_OPEN_MS = 40000;

export const tour = await (await fetch("/view/tour.json")).json();
const quietMs = 1000 * tour.quiet; // the picture has not changed for so long: it is the final one

/**
 * Follow the tour. A viewer is `{ apply(camera), numbers() }`; a camera is that of the
 * tour's start, changed by its moves.
 */
export async function follow({ apply, numbers = () => ({}) }) {
  const phases = [];
  let camera = tour.start;
  const began = probe.navigated;
  probe.watch(await theCanvas());
  await quiet(began, 1.5 * quietMs, LONGEST_OPEN_MS, true);
  phases.push(["open", began, probe.now()]);
  const inputs = [];
  for (const move of tour.moves) {
    const from = probe.now();
    const steps = await moved(move, camera, apply);
    camera = steps.camera;
    const moving = probe.now();
    await quiet(moving, quietMs, LONGEST_MS, false);
    phases.push([move.name, from, probe.now()]);
    inputs.push({ name: move.name, first: steps.first, last: steps.last, count: steps.count });
  }
  const report = await probe.report(phases);
  const ended = probe.now();
  await send({ ...report, inputs, began, ended, gaps: probe.gaps, numbers: numbers() });
}

async function theCanvas() {
  for (;;) {
    const canvas = document.querySelector("canvas");
    if (canvas) return canvas;
    await sleep(1);
  }
}

/** Wait until the picture has not changed for so long, but not for ever. */
async function quiet(from, quietMs, longestMs, mustShow) {
  for (;;) {
    for (let frames = 0; frames < 3; frames++) await nextFrame();
    const { time, shows } = await probe.last();
    const still = probe.now() - Math.max(from, time ?? probe.now());
    if (probe.now() - from > longestMs) return;
    if (still < LATEST_MS) continue;
    const hasAll = await probe.hasAll();
    if (hasAll && still >= quietMs && (shows || !mustShow)) return;
    await sleep(LATEST_MS);
  }
}

/** Move for `go` seconds, a camera per animation frame; the path depends on time alone. */
async function moved(move, start, apply) {
  let first = null;
  let count = 0;
  let camera = start;
  const began = await nextFrame();
  for (;;) {
    const passed = Math.min(1, (performance.now() - began) / (move.go * 1000));
    camera = between(start, move, passed);
    first ??= probe.now();
    apply(camera);
    count++;
    if (passed === 1) return { camera, first, last: probe.now(), count };
    await nextFrame();
  }
}

function between(start, move, passed) {
  let part = passed;
  if (move.slowing) part = (1 - Math.exp(-SLOWING * part)) / (1 - Math.exp(-SLOWING));
  const zoom = move.zoom ?? start.zoom;
  const there = (zoom / start.zoom) ** part;
  // Even on the canvas: far away a step is longer than near.
  const way = zoom === start.zoom ? part : (1 - 1 / there) / (1 - start.zoom / zoom);
  const camera = { ...start, zoom: part === 1 ? zoom : start.zoom * there };
  if (move.center) {
    camera.center = start.center.map((value, axis) =>
      part === 1 ? move.center[axis] : value + (move.center[axis] - value) * way,
    );
  }
  if (move.z !== undefined) camera.z = Math.round(start.z + (move.z - start.z) * part);
  if (move.angles) {
    camera.angles = start.angles.map((value, axis) => value + (move.angles[axis] - value) * part);
  }
  return camera;
}

export async function send(content) {
  await fetch(tour.report, { method: "POST", body: JSON.stringify(content) });
}

export function failed(error) {
  send({ error: `${error}\n${error?.stack}` });
}
