/** The requests of the last seconds, side by side in lanes as they overlapped. Pure. */
import type { RequestRecord } from "../../viewer/types.ts";

/** How far back one sees. */
export const SPAN_MS = 10_000;

/** A request on the page's clock, in milliseconds. */
export type Bar = {
  readonly request: RequestRecord;
  readonly from: number;
  readonly to: number;
  readonly lane: number;
};

export class RequestLog {
  #bars: Bar[] = [];
  /** When the last bar of each lane ends. */
  readonly #ends: number[] = [];

  /** Oldest first, as far as they are kept. */
  get bars(): readonly Bar[] {
    return this.#bars;
  }

  get lanes(): number {
    return this.#bars.reduce((most, bar) => Math.max(most, bar.lane + 1), 0);
  }

  /** What the loader told at a time of the page's clock. */
  add(requests: readonly RequestRecord[], now: number): void {
    const began = [...requests].sort((one, other) => other.agoMs - one.agoMs);
    for (const request of began) {
      const from = now - request.agoMs;
      const to = from + request.tookMs;
      const free = this.#ends.findIndex((end) => end <= from);
      const lane = free < 0 ? this.#ends.length : free;
      this.#ends[lane] = to;
      this.#bars.push({ request, from, to, lane });
    }
    this.forget(now);
  }

  /** Let go of what ended too long ago. */
  forget(now: number): void {
    this.#bars = this.#bars.filter((bar) => bar.to >= now - SPAN_MS);
    const last = this.lanes;
    this.#ends.length = Math.min(this.#ends.length, last);
  }
}

export type Totals = {
  readonly requests: number;
  readonly bytes: number;
  readonly givenUp: number;
  readonly failed: number;
  /** Half of those that came took no longer. */
  readonly medianMs: number;
};

export function totalsOf(bars: readonly Bar[]): Totals {
  const came = bars.filter(({ request }) => request.end === "came");
  const times = came.map(({ from, to }) => to - from).sort((a, b) => a - b);
  return {
    requests: bars.length,
    bytes: bars.reduce((sum, { request }) => sum + request.bytes, 0),
    givenUp: bars.filter(({ request }) => request.end === "given up").length,
    failed: bars.filter(({ request }) => request.end === "failed").length,
    medianMs: times[times.length >> 1] ?? 0,
  };
}
