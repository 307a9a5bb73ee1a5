/** The link to whoever sends bricks. A view opens one; what it says and hears is protocol/VIEW.md. */

import type { Box, Camera, ConnectionState, Notice, Pair, VolumeView } from "../types.ts";
import type { PointsKey, WireKey } from "./brick_key.ts";
import type { ServerMessage } from "./server_messages.ts";

export type ViewRequest = {
  readonly generation: number;
  readonly center: Pair;
  readonly zoom: number;
  /** [width, height] */
  readonly size: Pair;
  readonly displayed: Camera["displayed"];
  readonly position: Camera["position"];
  readonly visible: readonly number[];
  readonly moving: boolean;
  /** Of layers of points, by id: what of their settings decides which points are sent. */
  readonly points?: Readonly<Record<string, PointsLook>>;
};

export type PointsLook = {
  readonly size: number;
  readonly unit: "screen" | "world";
  readonly properties: readonly string[];
  readonly thickness: Readonly<Record<string, number>>;
};

export type VolumeRequest = Omit<ViewRequest, "center" | "displayed"> &
  Pick<VolumeView, "center" | "displayed" | "orientation" | "perspective" | "quality"> & {
    readonly clip?: Box;
  };

export type StreamListener = {
  /** A new session has begun: the other side knows nothing of what is held here. */
  opened(): void;
  message(message: ServerMessage): void;
  state(state: ConnectionState): void;
  /** Something that the user should know about the link itself. */
  notice(notice: Notice): void;
};

/** Whatever is sent while the link is down is dropped: `opened` is the time to say it again. */
export interface BrickStream {
  open(listener: StreamListener): void;
  sendView(view: ViewRequest): void;
  sendVolume(view: VolumeRequest): void;
  sendAck(bytes: number, evicted: readonly WireKey[]): void;
  sendLost(): void;
  sendRetry(): void;
  sendWatch(requests: boolean): void;
  sendPick(key: PointsKey, index: number): void;
  /** The canvas holds so many bytes at most: to be told, and all sent that it now lacks. */
  setSlots(bytes: number): void;
  close(): void;
  /** Bytes received since the start. */
  readonly received: number;
}
