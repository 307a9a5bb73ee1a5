/** The messages of v1. Types, and how one is told from all else that a window hears. */
import { isPlain, type Plain } from "./values.ts";

/** ImJoy's number of the protocol. */
export const API_VERSION = "0.2.3";

export type Message = Plain & { readonly type: string };

export function isMessage(data: unknown): data is Message {
  return isPlain(data) && typeof data["type"] === "string";
}

/** Carries messages to one other side, and hears those of no one else. */
export type Link = {
  send(message: Message, given?: Transferable[]): void;
  /** Whoever listens hears all that come from now on. */
  listen(listener: (message: Message) => void): void;
  close(): void;
};

/** What can be sent to and listened to: a window, a worker, a port. */
type Target = { postMessage(message: unknown, options: StructuredSerializeOptions): void };
type Source = {
  addEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  removeEventListener(type: "message", listener: (event: MessageEvent) => void): void;
  start?(): void;
};

/** The link to a worker, from the inside of one, or over a port. */
export function portLink(port: Target & Source & { close?(): void }): Link {
  return linkOf(
    port,
    (message, transfer) => port.postMessage(message, { transfer }),
    () => true,
    () => {
      if (className(port) === "MessagePort") port.close?.();
    },
  );
}

/**
 * The link to another window. What others send is not heard.
 *
 * `theirs`: the window, asked for at each message, since a frame has none before it is in a page.
 */
export function windowLink(own: Window, theirs: () => Window | null): Link {
  return linkOf(
    own,
    (message, transfer) => theirs()?.postMessage(message, { targetOrigin: "*", transfer }),
    (event) => event.source !== null && event.source === theirs(),
    () => undefined,
  );
}

function linkOf(
  source: Source,
  send: (message: Message, given: Transferable[]) => void,
  isTheirs: (event: MessageEvent) => boolean,
  close: () => void,
): Link {
  let heard: ((event: MessageEvent) => void) | null = null;
  const stop = () => {
    if (heard) source.removeEventListener("message", heard);
    heard = null;
  };
  return {
    send: (message, given = []) => send(message, given),
    listen: (listener) => {
      stop();
      heard = (event) => {
        if (isTheirs(event) && isMessage(event.data)) listener(event.data);
      };
      source.addEventListener("message", heard);
      source.start?.();
    },
    close: () => {
      stop();
      close();
    },
  };
}

function className(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}
