/** A server that needs no network. */
import type { Histogram, Server } from "../../src/ui/server.ts";
import type { ViewState } from "../../src/ui/view_state.ts";

export const HISTOGRAM: Histogram = {
  low: 90,
  high: 4100,
  counts: Array.from({ length: 256 }, (_, i) =>
    Math.round(90_000 * Math.exp(-(((i - 18) / 9) ** 2)) + 900 * Math.exp(-i / 60)),
  ),
  auto: [130, 2100],
};

export class FakeServer implements Server {
  saved: unknown = null;
  readonly saves: ViewState[] = [];
  histogramError: string | null = null;

  colormaps(): Promise<Readonly<Record<string, Uint8Array>>> {
    const table = (at: (t: number) => [number, number, number]) =>
      Uint8Array.from({ length: 768 }, (_, i) =>
        Math.round(255 * (at(Math.floor(i / 3) / 255)[i % 3] ?? 0)),
      );
    return Promise.resolve({
      gray: table((t) => [t, t, t]),
      viridis: table((t) => [0.27 + 0.7 * t ** 3, 0.9 * t ** 0.8, 0.33 + 0.3 * Math.sin(3 * t)]),
      magma: table((t) => [t ** 0.9, 0.9 * t ** 2.2, 0.35 * Math.sin(3.1 * t) + 0.75 * t ** 3]),
      green: table((t) => [0, t, 0]),
      magenta: table((t) => [t, 0, t]),
      turbo: table((t) => [t, Math.sin(3.1 * t), 1 - t]),
    });
  }

  histogram(): Promise<Histogram> {
    return this.histogramError
      ? Promise.reject(new Error(this.histogramError))
      : Promise.resolve(HISTOGRAM);
  }

  savedView(): Promise<unknown> {
    return this.saved instanceof Error ? Promise.reject(this.saved) : Promise.resolve(this.saved);
  }

  showFile(): Promise<readonly number[]> {
    return Promise.resolve([]);
  }

  saveView(state: ViewState): Promise<void> {
    this.saves.push(state);
    return Promise.resolve();
  }
}
