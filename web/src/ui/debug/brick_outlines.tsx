/** Every brick that the canvas is drawn from: its level, and by colour where it came from. */
import { useEffect, useRef } from "preact/hooks";
import type { Outline, Pair } from "../../viewer/types.ts";
import { volumeSight } from "../../viewer/volume_camera.ts";
import type { Desk } from "../desk.ts";
import { boxEdges } from "../overlays/outline.ts";
import { PROVENANCES, provenanceColour } from "./provenance.ts";

const FONT = "600 11px system-ui, sans-serif";
/** CSS pixels: of a smaller brick the level is not written. */
const LEGIBLE = 34;

export function BrickOutlines({ desk }: { readonly desk: Desk }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  useEffect(() => {
    let outlines: readonly Outline[] = [];
    const redraw = () => {
      if (canvas.current) draw(canvas.current, outlines, desk);
    };
    const stops = [
      desk.viewer.on("outlines", (some) => {
        outlines = some;
        redraw();
      }),
      desk.camera.subscribe(redraw),
    ];
    desk.viewer.watchOutlines(true);
    return () => {
      desk.viewer.watchOutlines(false);
      for (const stop of stops) stop();
    };
  }, [desk]);
  return (
    <>
      <canvas ref={canvas} class="overlay-canvas" />
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
    </>
  );
}

function draw(canvas: HTMLCanvasElement, outlines: readonly Outline[], desk: Desk): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const size = desk.viewer.size;
  [canvas.width, canvas.height] = size;
  context.font = FONT.replace("11", String(11 * devicePixelRatio));
  context.textBaseline = "top";
  context.lineWidth = devicePixelRatio;
  for (const outline of outlines) {
    context.strokeStyle = context.fillStyle = provenanceColour(outline.provenance);
    if ("x0" in outline.place) drawRect(context, outline.place, outline.level);
    else drawBox(context, outline.place, size, desk);
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
  if (Math.min(x1 - x0, y1 - y0) < LEGIBLE * devicePixelRatio) return;
  const text = level === null ? "failed" : `L${level}`;
  const [x, y] = [x0 + 5 * inset, y0 + 4 * inset];
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
  desk: Desk,
): void {
  const volume = desk.viewer.camera?.volume;
  if (!volume) return;
  context.beginPath();
  for (const [start, end] of boxEdges(place, volume.center, volumeSight(volume, size))) {
    context.moveTo(...start);
    context.lineTo(...end);
  }
  context.stroke();
}
