/** A link over a WebSocket. */
import { ProtocolError } from "../errors.ts";
import { decodeFrame, encodeFrame, type Frame } from "../frames.ts";
import type { Transport, TransportListener } from "./transport.ts";

/**
 * A browser takes all that it is given and says how much is left, but not when there is less. Beyond this no
 * piece is handed over, so a small message never waits behind more than that.
 */
const MOST_WAITING = 1 << 20;
const LOOK_AGAIN_MS = 2;
/** What a page may say about a message that breaks the rules. */
const BROKEN_PROTOCOL = 4008;

export class WebSocketTransport implements Transport {
  readonly isWhole = false;
  readonly features: readonly string[] = [];
  readonly #socket: WebSocket;
  #listener: TransportListener | null = null;
  #early: Uint8Array<ArrayBuffer>[] = [];
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(socket: WebSocket) {
    this.#socket = socket;
  }

  /** False means that somebody waits: the listener will hear. */
  get hasRoom(): boolean {
    if (this.#socket.bufferedAmount < MOST_WAITING) return true;
    this.#timer ??= setTimeout(() => {
      this.#timer = undefined;
      this.#listener?.room();
    }, LOOK_AGAIN_MS);
    return false;
  }

  open(listener: TransportListener): void {
    this.#listener = listener;
    this.#socket.binaryType = "arraybuffer";
    this.#socket.onopen = () => this.#flush();
    this.#socket.onmessage = ({ data }: MessageEvent<unknown>) => this.#receive(data);
    // An `error` says nothing, and a `close` follows it.
    this.#socket.onclose = ({ code, reason }) =>
      this.#end(reason || `The WebSocket was closed (${code}).`);
    if (this.#socket.readyState === WebSocket.CLOSED) this.#end("The WebSocket is closed.");
  }

  send(frame: Frame): void {
    const bytes = encodeFrame(frame);
    if (this.#socket.readyState === WebSocket.CONNECTING) this.#early.push(bytes);
    else this.#socket.send(bytes);
  }

  close(): void {
    this.#detach();
    this.#socket.close();
  }

  #flush(): void {
    for (const bytes of this.#early) this.#socket.send(bytes);
    this.#early = [];
  }

  #receive(data: unknown): void {
    try {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError("A message is not binary.");
      this.#listener?.frame(decodeFrame(new Uint8Array(data)));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      const listener = this.#listener;
      this.#detach();
      this.#socket.close(BROKEN_PROTOCOL, error.message.slice(0, 100));
      listener?.closed(error.message, error);
    }
  }

  #end(reason: string): void {
    const listener = this.#listener;
    this.#detach();
    listener?.closed(reason);
  }

  #detach(): void {
    this.#listener = null;
    this.#early = [];
    clearTimeout(this.#timer);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
  }
}
