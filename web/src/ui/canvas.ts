/** A canvas for a viewer, as the page holds it. */
import type { ReadonlySignal } from "@preact/signals";
import type { Camera, ViewerHandle } from "../viewer/types.ts";

/** What one canvas shows: its viewer, and where that looks now. */
export type View = {
  readonly viewer: ViewerHandle;
  readonly camera: ReadonlySignal<Camera | null>;
};

/** `label`: what it shows. */
export function newCanvas(label: string): HTMLCanvasElement {
  const canvas = document.createElement("canvas");
  canvas.className = "canvas";
  canvas.tabIndex = 0;
  canvas.setAttribute("role", "application");
  canvas.setAttribute("aria-label", `${label}: arrow keys move, plus and minus zoom`);
  return canvas;
}

/** Have the viewer tell what lies under the pointer. */
export function probePointer(canvas: HTMLCanvasElement, viewer: ViewerHandle): void {
  canvas.addEventListener("pointermove", (event) => viewer.probeAt([event.offsetX, event.offsetY]));
  canvas.addEventListener("pointerleave", () => viewer.probeAt(null));
}
