/** Makes a viewer on scripted bricks for whoever drives this page: `open(script)`. */
import type { ViewerHandle, ViewerOptions } from "../../src/viewer/types.ts";
import { Viewer } from "../../src/viewer/viewer.ts";

declare global {
  interface Window {
    open_script: (script: object, options: Partial<ViewerOptions>) => ViewerHandle;
    viewer: ViewerHandle;
    heard: Record<string, unknown[]>;
  }
}

const ramp = new Uint8Array(768);
for (let i = 0; i < 256; i++) ramp.set([i, 255 - i, (i * 7) & 255], i * 3);

window.open_script = (script, options) => {
  const canvas = document.querySelector("canvas");
  if (!canvas) throw new Error("no canvas");
  const stream = `http://scripted/?${encodeURIComponent(JSON.stringify(script))}`;
  const viewer = new Viewer(
    canvas,
    { stream, colormaps: { ramp }, ...options },
    () => new Worker(new URL("./scripted_worker.ts", import.meta.url), { type: "module" }),
  );
  window.viewer = viewer;
  window.heard = {};
  for (const type of ["notice", "failure", "probe", "connection", "stats"] as const) {
    const events: unknown[] = [];
    window.heard[type] = events;
    viewer.on(type, (event) => events.push(event));
  }
  return viewer;
};
