/** Every brick and every cell of points that the canvas is drawn from: its level, and by colour where it came from. */
import { useEffect, useRef } from "preact/hooks";
import type { Outline, Pair, ViewerHandle, VolumeView } from "../../viewer/types.ts";
import { volumeSight } from "../../viewer/volumes/volume_camera.ts";
import type { View } from "../canvas.ts";
import { boxEdges } from "../overlays/outline.ts";
import { PROVENANCES, provenanceColour } from "./provenance.ts";

const FONT = "600 11px system-ui, sans-serif";
/** CSS pixels: of a smaller brick the level is not written. */
const LEGIBLE = 34;

/** Over the canvas of a view. */
export function BrickOutlines({ view }: { readonly view: View }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    const { viewer, camera } = view;
    let outlines: readonly Outline[] = [];
    const redraw = () => {
      if (canvas.current) draw(canvas.current, outlines, viewer);
    };
    const stops = [
      viewer.on("outlines", (some) => {
        outlines = some;
        redraw();
      }),
      camera.subscribe(redraw),
    ];
    viewer.watchOutlines(true);
    return () => {
      viewer.watchOutlines(false);
      for (const stop of stops) stop();
    };
  }, [view]);
  return <canvas ref={canvas} class="overlay-canvas brick-outlines" />;
}

export function BrickLegend() {
  return (
    <ul class="brick-legend" aria-label="Where bricks came from">
      {[...PROVENANCES, { name: "failed", colour: provenanceColour("failed") }].map(
        ({ name, colour }) => (
          <li key={name}>
            <span class="brick-swatch" style={{ borderColor: colour }} />
            {name}
          </li>
        ),
      )}
    </ul>
  );
}

function draw(canvas: HTMLCanvasElement, outlines: readonly Outline[], viewer: ViewerHandle): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const { size, camera } = viewer;
  [canvas.width, canvas.height] = size;
  context.font = FONT.replace("11", String(11 * devicePixelRatio));
  context.textBaseline = "top";
  context.lineWidth = devicePixelRatio;
  for (const outline of outlines) {
    context.strokeStyle = context.fillStyle = provenanceColour(outline.provenance);
    if ("x0" in outline.place) drawRect(context, outline.place, outline.level);
    else if (camera?.volume) drawBox(context, outline.place, size, camera.volume);
  }
}

type Corners = {
  readonly x0: number;
  readonly y0: number;
  readonly x1: number;
  readonly y1: number;
};

function drawRect(context: CanvasRenderingContext2D, place: Corners, level: number | null): void {
  const { x0, y0, x1, y1 } = place;
  const inset = context.lineWidth;
  context.strokeRect(x0 + inset, y0 + inset, x1 - x0 - 2 * inset, y1 - y0 - 2 * inset);
  // What is seen of it: a cell of points may reach far beyond the canvas.
  const [left, top] = [Math.max(x0, 0), Math.max(y0, 0)];
  const { canvas } = context;
  const [seenX, seenY] = [Math.min(x1, canvas.width) - left, Math.min(y1, canvas.height) - top];
  if (Math.min(seenX, seenY) < LEGIBLE * devicePixelRatio) return;
  const text = level === null ? "failed" : `L${level}`;
  const [x, y] = [left + 5 * inset, top + 4 * inset];
  const { width } = context.measureText(text);
  const colour = context.fillStyle;
  context.fillStyle = "rgb(0 0 0 / 70%)";
  context.fillRect(x - 2 * inset, y - inset, width + 4 * inset, 14 * devicePixelRatio);
  context.fillStyle = colour;
  context.fillText(text, x, y);
}

function drawBox(
  context: CanvasRenderingContext2D,
  place: Exclude<Outline["place"], Corners>,
  size: Pair,
  volume: VolumeView,
): void {
  context.beginPath();
  for (const [start, end] of boxEdges(place, volume.center, volumeSight(volume, size))) {
    context.moveTo(...start);
    context.lineTo(...end);
  }
  context.stroke();
}
