// Drives a viewer along a tour, and reports when which camera was applied.
// Times are milliseconds since the epoch.

const PACE_MS = 90; // between two cameras, at least: software GL leaves the computer time for the rest

const now = () => performance.timeOrigin + performance.now();
const nextFrame = () => new Promise(requestAnimationFrame);

/** The tour: canvas, axes and moments, each [seconds, y, x, zoom, positions of the other axes]. */
export async function readTour() {
  return await (await fetch("/tour.json")).json();
}

/**
 * Call `apply` with one moment after the other, at its time after the first chunk was asked for,
 * but not too often; `size` says how large the canvas is, in device pixels.
 */
export async function follow(tour, apply, size) {
  const began = Number(await (await fetch("/began")).text());
  const applied = [];
  let done = 0;
  let last = -Infinity;
  while (now() < began + (tour.end + tour.after) * 1000) {
    await nextFrame();
    if (now() - last < PACE_MS) continue;
    const passed = now() - began;
    let next = done;
    while (next + 1 < tour.moments.length && tour.moments[next + 1][0] * 1000 <= passed) next++;
    if (next === done) continue;
    done = next;
    last = now();
    applied.push([now(), done]);
    apply(tour.moments[done]);
  }
  await report({ began, applied, size: size() });
}

export async function report(content) {
  await fetch("/report", { method: "POST", body: JSON.stringify(content) });
}
