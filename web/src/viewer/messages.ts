/** What the page and its render worker say to each other. */

import type {
  Camera,
  ConnectionState,
  Failure,
  FrameRecord,
  LayerSettings,
  Notice,
  Outline,
  Pair,
  Probe,
  RequestRecord,
  Scene,
  ViewerStats,
} from "./types.ts";

/** `revision` counts all that changes the picture, so that the page knows which one an answer is about. */
type Change = { readonly revision: number };

export type ToWorker =
  | {
      readonly type: "start";
      readonly canvas: OffscreenCanvas;
      /** Absolute. */
      readonly stream: string;
      readonly colormaps: Readonly<Record<string, Uint8Array>>;
      readonly slots: number;
      readonly clear: readonly [number, number, number];
    }
  | (Change & { readonly type: "resize"; readonly size: Pair })
  | (Change & {
      readonly type: "camera";
      readonly camera: Camera;
      /** More changes are expected soon. */
      readonly moving: boolean;
      /** Milliseconds since the epoch: the clocks of page and worker start at different times. */
      readonly time: number;
    })
  | (Change & {
      readonly type: "layer";
      readonly id: number;
      readonly settings: Partial<LayerSettings>;
    })
  | { readonly type: "probe"; readonly at: Pair | null }
  | (Change & { readonly type: "retry" })
  | { readonly type: "watch"; readonly on: boolean }
  | { readonly type: "outline"; readonly on: boolean }
  | { readonly type: "freeze"; readonly on: boolean }
  | (Change & { readonly type: "slots"; readonly bytes: number })
  | { readonly type: "capture"; readonly id: number }
  | { readonly type: "record"; readonly on: boolean }
  | (Change & { readonly type: "loseContext" })
  | { readonly type: "dispose" };

export type FromWorker =
  | { readonly type: "scene"; readonly scene: Scene }
  | { readonly type: "stats"; readonly stats: ViewerStats; readonly revision: number }
  | { readonly type: "caught up"; readonly revision: number }
  | { readonly type: "probe"; readonly probe: Probe | null }
  | { readonly type: "failure"; readonly failure: Failure }
  | { readonly type: "requests"; readonly requests: readonly RequestRecord[] }
  | { readonly type: "outlines"; readonly outlines: readonly Outline[] }
  | { readonly type: "notice"; readonly notice: Notice }
  | { readonly type: "connection"; readonly state: ConnectionState }
  | { readonly type: "captured"; readonly id: number; readonly blob: Blob | null }
  | { readonly type: "recorded"; readonly frames: readonly FrameRecord[] };
