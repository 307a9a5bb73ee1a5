/** The render worker with scripted bricks in place of the socket. */
import type { FromWorker, ToWorker } from "../../src/viewer/messages.ts";
import { RenderEngine } from "../../src/viewer/render_engine.ts";
import { ScriptedStream } from "./scripted_stream.ts";

const scope = globalThis as unknown as DedicatedWorkerGlobalScope;
const post = (message: FromWorker) => scope.postMessage(message);
let engine: RenderEngine | null = null;

scope.onmessage = (event: MessageEvent<ToWorker>) => {
  const message = event.data;
  if (message.type !== "start") {
    engine?.handle(message);
    return;
  }
  const script = JSON.parse(decodeURIComponent(new URL(message.stream).search.slice(1)));
  engine = new RenderEngine({ ...message, stream: new ScriptedStream(script), post });
};
