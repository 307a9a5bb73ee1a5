/** What was asked of the sources in the last seconds: when, how long, and from where it came. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Desk } from "../desk.ts";
import { formatBytes, formatMilliseconds } from "../numbers.ts";
import { provenanceColour } from "./provenance.ts";
import { type Bar, RequestLog, SPAN_MS, totalsOf } from "./request_log.ts";

const HEIGHT = 84;
const REDRAWN_MS = 100;
const SHORTEST = 1.5;

export function Timeline({ desk }: { readonly desk: Desk }) {
  const canvas = useRef<HTMLCanvasElement>(null);
  const totals = useSignal(totalsOf([]));
  useEffect(() => {
    const log = new RequestLog();
    const stop = desk.viewer.on("requests", (requests) => log.add(requests, performance.now()));
    const release = desk.watchRequests();
    const timer = setInterval(() => {
      log.forget(performance.now());
      if (canvas.current) draw(canvas.current, log.bars, log.lanes, performance.now());
      totals.value = totalsOf(log.bars);
    }, REDRAWN_MS);
    return () => {
      clearInterval(timer);
      release();
      stop();
    };
  }, [desk, totals]);
  const { requests, bytes, givenUp, failed, medianMs } = totals.value;
  return (
    <figure class="timeline">
      <canvas ref={canvas} class="timeline-canvas" height={HEIGHT} />
      <figcaption>
        <span>
          {requests} requests, {formatBytes(bytes)} in 10 s
        </span>
        <span class="dim">
          {requests > 0 && `median ${formatMilliseconds(medianMs)}`}
          {givenUp > 0 && `, ${givenUp} given up`}
          {failed > 0 && `, ${failed} failed`}
        </span>
      </figcaption>
    </figure>
  );
}

function draw(canvas: HTMLCanvasElement, bars: readonly Bar[], lanes: number, now: number): void {
  const context = canvas.getContext("2d");
  if (!context) return;
  const [width, height] = [canvas.clientWidth, canvas.clientHeight];
  const dense = devicePixelRatio;
  if (canvas.width !== Math.round(width * dense) || canvas.height !== Math.round(height * dense)) {
    canvas.width = Math.round(width * dense);
    canvas.height = Math.round(height * dense);
  }
  context.setTransform(dense, 0, 0, dense, 0, 0);
  context.clearRect(0, 0, width, height);
  context.fillStyle = "rgb(255 255 255 / 10%)";
  for (let second = 1; second < SPAN_MS / 1000; second++) {
    context.fillRect(width - (second * 1000 * width) / SPAN_MS, 0, 1, height);
  }
  const row = Math.min(6, height / Math.max(lanes, 1));
  for (const { request, from, to, lane } of bars) {
    const x = width - ((now - from) * width) / SPAN_MS;
    const length = Math.max(((to - from) * width) / SPAN_MS, SHORTEST);
    const y = height - (lane + 1) * row;
    context.fillStyle = context.strokeStyle = provenanceColour(
      request.end === "failed" ? "failed" : request.provenance,
    );
    const thick = Math.max(row - 1, 0.5);
    if (request.end === "given up") {
      context.globalAlpha = 0.35;
      context.fillRect(x, y, length, thick);
      context.globalAlpha = 1;
    } else {
      context.fillRect(x, y, length, thick);
    }
  }
}
