/** A `BrickStream` over one WebSocket, which comes back by itself. */

import type { ConnectionState } from "../types.ts";
import type { PointsKey, WireKey } from "./brick_key.ts";
import type { BrickStream, StreamListener, ViewRequest, VolumeRequest } from "./brick_stream.ts";
import { encodeFrame, type Header, ProtocolError } from "./frames.ts";
import { parseServerFrame, type ServerMessage, VERSION } from "./server_messages.ts";

export const FIRST_DELAY_MS = 500;
export const LONGEST_DELAY_MS = 5000;
/** The code of RFC 6455 for a message that breaks the rules … */
const BROKEN_PROTOCOL = 1008;
/** … which a page may not send itself; this one says the same. */
const BROKEN_PROTOCOL_HERE = 4008;

export class SocketStream implements BrickStream {
  received = 0;
  readonly #address: string;
  #slots: number;
  readonly #credit: number;
  #listener: StreamListener | null = null;
  #socket: WebSocket | null = null;
  #delay = FIRST_DELAY_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #state: ConnectionState | null = null;

  constructor(address: string, slots: number, credit: number) {
    this.#address = address;
    this.#slots = slots;
    this.#credit = credit;
  }

  open(listener: StreamListener): void {
    this.#listener = listener;
    this.#connect();
  }

  sendView(view: ViewRequest): void {
    this.#send({ type: "view", ...view });
  }

  sendVolume(view: VolumeRequest): void {
    this.#send({ type: "volume", ...view });
  }

  sendAck(bytes: number, evicted: readonly WireKey[]): void {
    this.#send({ type: "ack", bytes, evicted });
  }

  sendLost(): void {
    this.#send({ type: "lost" });
  }

  sendRetry(): void {
    this.#send({ type: "retry" });
  }

  sendWatch(requests: boolean): void {
    this.#send({ type: "watch", requests });
  }

  sendPick(key: PointsKey, index: number): void {
    this.#send({ type: "pick", key, index });
  }

  /** By a new connection: a server hears at the beginning of one how much its canvas holds. */
  setSlots(bytes: number): void {
    this.#slots = bytes;
    const socket = this.#socket;
    if (!socket) return;
    this.#socket = null;
    socket.close();
    this.#connect();
  }

  close(): void {
    clearTimeout(this.#timer);
    this.#setState("closed");
    this.#listener = null;
    const socket = this.#socket;
    this.#socket = null;
    socket?.close();
  }

  #connect(): void {
    if (this.#state !== "lost") this.#setState("connecting");
    const socket = new WebSocket(this.#address);
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    socket.onopen = () => {
      if (socket !== this.#socket) return;
      this.#send({ type: "hello", version: VERSION, slots: this.#slots, credit: this.#credit });
      this.#setState("open");
      this.#listener?.opened();
    };
    socket.onmessage = (event) => {
      if (socket === this.#socket) this.#receive(socket, event.data);
    };
    socket.onclose = (event) => {
      if (socket !== this.#socket) return;
      this.#socket = null;
      if (event.code === BROKEN_PROTOCOL) {
        const text = event.reason || "The server refused what the canvas said.";
        this.#listener?.notice({ severity: "error", text });
      }
      this.#setState("lost");
      this.#timer = setTimeout(() => this.#connect(), this.#delay);
      this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS);
    };
  }

  #receive(socket: WebSocket, data: unknown): void {
    let message: ServerMessage | null;
    try {
      if (!(data instanceof ArrayBuffer)) throw new ProtocolError("A message is not binary.");
      this.received += data.byteLength;
      message = parseServerFrame(new Uint8Array(data));
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      this.#listener?.notice({ severity: "error", text: error.message });
      socket.close(BROKEN_PROTOCOL_HERE, error.message.slice(0, 100));
      return;
    }
    if (message === null) return;
    // Only a server that talks sense has earned a quick return after the next loss.
    this.#delay = FIRST_DELAY_MS;
    this.#listener?.message(message);
  }

  #send(header: Header): void {
    if (this.#socket?.readyState === WebSocket.OPEN) this.#socket.send(encodeFrame(header));
  }

  #setState(state: ConnectionState): void {
    if (state === this.#state) return;
    this.#state = state;
    this.#listener?.state(state);
  }
}
