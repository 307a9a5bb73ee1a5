/** What the app asks of the server. `api.ts` answers over HTTP; tests answer themselves. */
import type { ViewState } from "./view_state.ts";

export type Histogram = {
  readonly low: number;
  readonly high: number;
  readonly counts: readonly number[];
  /** Contrast limits that show what is there. */
  readonly auto: readonly [number, number];
};

export interface Server {
  /** Colour tables by name in menu order, 256 × RGB each. */
  colormaps(): Promise<Readonly<Record<string, Uint8Array>>>;
  histogram(
    layer: number,
    position: Readonly<Record<string, number>>,
    signal: AbortSignal,
  ): Promise<Histogram>;
  /** The view that was saved last, unchecked; null if there is none. */
  savedView(): Promise<unknown>;
  saveView(state: ViewState): Promise<void>;
  /** Show a file of this computer; gives the ids of its layers. */
  showFile(file: File): Promise<readonly number[]>;
}

/** The server does not know this browser (any more): its address came from another start. */
export class LinkExpired extends Error {
  override name = "LinkExpired";
}
