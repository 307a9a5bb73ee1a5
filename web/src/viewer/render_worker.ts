/** The worker that a viewer draws in: a canvas, a socket, an engine between them. */

import type { FromWorker, ToWorker } from "./messages.ts";
import { RenderEngine } from "./render_engine.ts";
import { SocketStream } from "./stream/socket_stream.ts";

/** Bytes that may be under way: enough for a frame's uploads, little enough to turn round at once. */
const CREDIT = 4 << 20;

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const post = (message: FromWorker) => scope.postMessage(message);
let engine: RenderEngine | null = null;

scope.onmessage = (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  if (message.type !== "start") {
    engine?.handle(message);
    if (message.type === "dispose") scope.close();
    return;
  }
  try {
    const stream = new SocketStream(message.stream, message.slots, CREDIT);
    engine = new RenderEngine({ ...message, stream, post });
  } catch (error) {
    const text = error instanceof Error ? error.message : String(error);
    post({ type: "notice", notice: { severity: "error", text } });
  }
};
