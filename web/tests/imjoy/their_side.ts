/** ImJoy's own library, as one end of a channel: `RPC` of imjoy-rpc 0.5.59 with a connection that tests make. */
// @ts-expect-error the package's types say nothing of this file
import their from "imjoy-rpc/dist/imjoy-rpc.js";
import { isMessage, type Link, type Message } from "../../src/imjoy/messages.ts";

type Handler = ((message: Message) => void) & { once?: boolean };
type Api = Record<string, unknown>;

/** What of the library's class tests use. */
export type TheirRPC = {
  setInterface(api: object, config?: object): Promise<void>;
  sendInterface(): void;
  requestRemote(): void;
  getRemote(): Api;
  disposeObject(object: object): Promise<void>;
  on(event: string, handler: (data?: unknown) => void): void;
  once(event: string, handler: (data?: unknown) => void): void;
};

// It asks whether values are of classes that only browsers have.
Object.assign(globalThis, { ImageData: class {} });

export class TheirConnection {
  peer_id: string | undefined;
  readonly #link: Link;
  readonly #handlers = new Map<string, Handler[]>();
  /** What it stamps on all that it sends, as the connections of ImJoy's core do. */
  stamp: string | undefined;
  execute: ((code: object) => Promise<void>) | undefined;

  constructor(link: Link, peerId?: string) {
    this.#link = link;
    this.peer_id = peerId;
    link.listen((message) => {
      if (peerId !== undefined && message["peer_id"] !== peerId) return;
      for (const handler of [...(this.#handlers.get(message.type) ?? [])]) {
        if (handler.once) this.off(message.type, handler);
        handler(message);
      }
    });
  }

  emit(message: Message): void {
    if (!isMessage(message)) throw new TypeError("The library sent what is no message.");
    this.#link.send(this.stamp === undefined ? message : { ...message, peer_id: this.stamp });
  }

  on(type: string, handler: Handler): void {
    this.#handlers.set(type, [...(this.#handlers.get(type) ?? []), handler]);
  }

  once(type: string, handler: Handler): void {
    const once: Handler = (message) => handler(message);
    once.once = true;
    this.on(type, once);
  }

  off(type: string, handler: Handler): void {
    this.#handlers.set(
      type,
      (this.#handlers.get(type) ?? []).filter((one) => one !== handler),
    );
  }

  disconnect(): void {
    this.#link.close();
  }
}

export function theirRPC(connection: TheirConnection, codecs: object = {}): TheirRPC {
  return new their.RPC(connection, { name: "peer" }, codecs) as TheirRPC;
}
