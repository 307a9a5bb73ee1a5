/** A link over a MessagePort: page and frame, page and worker. Memory of arrays moves, and is not copied. */
import { ProtocolError } from "../errors.ts";
import { type Frame, LARGEST_HEADER } from "../frames.ts";
import type { Transport, TransportListener } from "./transport.ts";

/** A MessagePort, a Worker, or the inside of one. */
export type Port = {
  postMessage(message: unknown, transfer: Transferable[]): void;
  addEventListener(type: string, listener: (event: Event) => void): void;
  removeEventListener(type: string, listener: (event: Event) => void): void;
  start?(): void;
  close?(): void;
};

export class MessagePortTransport implements Transport {
  readonly isWhole = true;
  readonly features: readonly string[] = ["transfer"];
  readonly hasRoom = true;
  readonly #port: Port;
  #listener: TransportListener | null = null;

  constructor(port: Port) {
    this.#port = port;
  }

  open(listener: TransportListener): void {
    this.#listener = listener;
    this.#port.addEventListener("message", this.#message);
    this.#port.addEventListener("messageerror", this.#unreadable);
    // Not every browser says it; where not, only a `bye` tells.
    this.#port.addEventListener("close", this.#closed);
    this.#port.start?.();
  }

  send({ header, payload }: Frame): void {
    if (payload === null) {
      this.#port.postMessage([header], []);
      return;
    }
    const { buffer } = payload;
    if (!(buffer instanceof ArrayBuffer) || buffer.byteLength !== payload.length) {
      throw new TypeError("A payload does not fill the memory that it is to be moved with.");
    }
    this.#port.postMessage([header, buffer], [buffer]);
  }

  close(): void {
    this.#listener = null;
    this.#port.removeEventListener("message", this.#message);
    this.#port.removeEventListener("messageerror", this.#unreadable);
    this.#port.removeEventListener("close", this.#closed);
    // A worker outlives its link, and the inside of one is closed by its owner.
    if (typeof MessagePort !== "undefined" && this.#port instanceof MessagePort) this.#port.close();
  }

  readonly #message = (event: Event) => {
    try {
      const frame = frameOf((event as MessageEvent<unknown>).data);
      this.#listener?.frame(frame);
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#end(error.message, error);
    }
  };

  readonly #unreadable = () => {
    const error = new ProtocolError("A message cannot be read.");
    this.#end(error.message, error);
  };

  readonly #closed = () => this.#end("The other side closed the link.");

  #end(reason: string, broken?: ProtocolError): void {
    const listener = this.#listener;
    this.close();
    listener?.closed(reason, broken);
  }
}

function frameOf(data: unknown): Frame {
  const [header, payload = null, ...rest]: readonly unknown[] = Array.isArray(data) ? data : [];
  if (!(header instanceof Uint8Array) || header.length > LARGEST_HEADER || rest.length > 0) {
    throw new ProtocolError("A message is not a frame.");
  }
  if (payload === null) return { header, payload };
  if (payload instanceof ArrayBuffer) return { header, payload: new Uint8Array(payload) };
  throw new ProtocolError("A payload is not an ArrayBuffer.");
}
