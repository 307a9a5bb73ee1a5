/** Mouse, trackpad, touch and keys on a canvas become calls of a viewer. */

import type { Pair, ViewerHandle } from "./types.ts";

/** Zoom per pixel of wheel travel: a notch of 100 is 2^(1/3). Pinches come as small ctrl+wheel steps. */
const WHEEL_EXPONENT = 1 / 300;
const PINCH_EXPONENT = 1 / 70;
/** One event never zooms further than this many doublings, whatever a device reports. */
const MAX_DOUBLINGS = 2;
/** CSS pixels of a wheel "line", as Firefox reports them. */
const LINE = 33;
const ARROW = 64;
const KEY_ZOOM = Math.SQRT2;
/** `MouseEvent.buttons` of the left button alone, or of a finger. */
const PRIMARY = 1;

type Viewed = Pick<ViewerHandle, "panBy" | "orbitBy" | "zoomBy" | "fit" | "camera">;

/** Returns what undoes it. */
export function attachInput(canvas: HTMLCanvasElement, viewer: Viewed): () => void {
  const stop = new AbortController();
  const { signal } = stop;
  const pointers = new Map<number, Pair>();
  if (canvas.tabIndex < 0) canvas.tabIndex = 0;
  canvas.style.touchAction = "none";

  const place = (event: MouseEvent): Pair => {
    const box = canvas.getBoundingClientRect();
    return [
      event.clientX - box.left - canvas.clientLeft,
      event.clientY - box.top - canvas.clientTop,
    ];
  };

  canvas.addEventListener(
    "pointerdown",
    (event) => {
      if (event.button > (viewer.camera?.volume ? 2 : 1)) return;
      canvas.focus({ preventScroll: true });
      canvas.setPointerCapture(event.pointerId);
      pointers.set(event.pointerId, place(event));
      // The middle button would start the browser's own scrolling.
      if (event.button === 1) event.preventDefault();
    },
    { signal },
  );
  canvas.addEventListener(
    "pointermove",
    (event) => {
      const at = place(event);
      const before = pointers.get(event.pointerId);
      if (!before) return;
      const old = [...pointers.values()];
      pointers.set(event.pointerId, at);
      const gesture = between(old, [...pointers.values()]);
      if (gesture.pan[0] !== 0 || gesture.pan[1] !== 0) {
        const turns = viewer.camera?.volume && old.length === 1 && event.buttons === PRIMARY;
        if (turns && !event.shiftKey) viewer.orbitBy(...gesture.pan);
        else viewer.panBy(...gesture.pan);
      }
      if (gesture.factor !== 1) viewer.zoomBy(gesture.factor, gesture.at);
    },
    { signal },
  );
  const lift = (event: PointerEvent) => pointers.delete(event.pointerId);
  canvas.addEventListener("pointerup", lift, { signal });
  canvas.addEventListener("pointercancel", lift, { signal });
  canvas.addEventListener("lostpointercapture", lift, { signal });
  // The right button moves a volume.
  canvas.addEventListener(
    "contextmenu",
    (event) => {
      if (viewer.camera?.volume) event.preventDefault();
    },
    { signal },
  );
  canvas.addEventListener("dblclick", (event) => viewer.zoomBy(2, place(event)), { signal });

  canvas.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      if (event.shiftKey) {
        const travel = wheelTravel(event, canvas);
        viewer.panBy(-travel[0], -travel[1]);
      } else viewer.zoomBy(wheelFactor(event, canvas), place(event));
    },
    { signal, passive: false },
  );

  canvas.addEventListener(
    "keydown",
    (event) => {
      if (event.ctrlKey || event.metaKey || event.altKey) return;
      if (!press(event.key, event.shiftKey, viewer)) return;
      event.preventDefault();
    },
    { signal },
  );
  return () => stop.abort();
}

/** Where arrows move what is shown. */
const ARROWS: Readonly<Record<string, Pair>> = {
  ArrowLeft: [1, 0],
  ArrowRight: [-1, 0],
  ArrowUp: [0, 1],
  ArrowDown: [0, -1],
};

/** True: this key is the viewer's. All others are left to the page. */
function press(key: string, shift: boolean, viewer: Viewed): boolean {
  const arrow = ARROWS[key];
  if (arrow) {
    const way: Pair = [arrow[0] * ARROW, arrow[1] * ARROW];
    if (viewer.camera?.volume && !shift) viewer.orbitBy(...way);
    else viewer.panBy(...way);
    return true;
  }
  switch (key) {
    case "+":
    case "=":
      viewer.zoomBy(KEY_ZOOM);
      return true;
    case "-":
    case "_":
      viewer.zoomBy(1 / KEY_ZOOM);
      return true;
    case "Home":
    case "0":
      viewer.fit();
      return true;
    default:
      return false;
  }
}

type Wheel = Pick<WheelEvent, "deltaX" | "deltaY" | "deltaMode" | "ctrlKey">;
type Paged = { readonly clientWidth: number; readonly clientHeight: number };

/** Travel of a wheel in CSS pixels, whatever unit it came in. */
export function wheelTravel(event: Wheel, page: Paged): Pair {
  if (event.deltaMode === 1) return [event.deltaX * LINE, event.deltaY * LINE];
  if (event.deltaMode === 2) {
    return [event.deltaX * page.clientWidth, event.deltaY * page.clientHeight];
  }
  return [event.deltaX, event.deltaY];
}

export function wheelFactor(event: Wheel, page: Paged): number {
  const exponent = event.ctrlKey ? PINCH_EXPONENT : WHEEL_EXPONENT;
  const doublings = -wheelTravel(event, page)[1] * exponent;
  return 2 ** Math.min(Math.max(doublings, -MAX_DOUBLINGS), MAX_DOUBLINGS);
}

/** What fingers (or one pointer) did: their middle moved, their distance changed. */
export function between(
  before: readonly Pair[],
  after: readonly Pair[],
): { readonly pan: Pair; readonly factor: number; readonly at: Pair } {
  const [from, to] = [middle(before), middle(after)];
  const [narrow, wide] = [spread(before, from), spread(after, to)];
  return {
    pan: [to[0] - from[0], to[1] - from[1]],
    factor: narrow > 0 && wide > 0 ? wide / narrow : 1,
    at: to,
  };
}

function middle(points: readonly Pair[]): Pair {
  const count = Math.max(points.length, 1);
  const sum = (axis: 0 | 1) => points.reduce((total, point) => total + point[axis], 0);
  return [sum(0) / count, sum(1) / count];
}

function spread(points: readonly Pair[], around: Pair): number {
  return points.reduce((total, [x, y]) => total + Math.hypot(x - around[0], y - around[1]), 0);
}
