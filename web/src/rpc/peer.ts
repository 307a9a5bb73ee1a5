/** A peer: one end of a link, from which the other side's objects are called and this side's are offered. */
import type { Call } from "./call.ts";
import type { Arguments } from "./call_marks.ts";
import { Codec } from "./codec.ts";
import { ConnectionLost } from "./errors.ts";
import type { Frame } from "./frames.ts";
import { IncomingCalls } from "./incoming_calls.ts";
import { OutgoingCalls } from "./outgoing_calls.ts";
import { ROOT } from "./own_objects.ts";
import { Handle, type Link } from "./remote.ts";
import type { Remote, Untyped } from "./remote_types.ts";
import { Session } from "./session.ts";
import type { Event } from "./session_events.ts";
import type { Transport } from "./transports/transport.ts";
import type { RegisteredType } from "./values.ts";

export type PeerOptions = {
  /** The root service: what the other side gets from its `root()`. */
  readonly service?: object;
  /** Presented to the other side. */
  readonly token?: string;
  /** What the other side must present before anything else that it says is looked at. */
  readonly expectedToken?: string;
  readonly types?: readonly RegisteredType[];
  /** Told of errors that no caller hears of, because none waits for an answer. */
  readonly unheard?: (error: unknown) => void;
};

const UNKNOWN = { kind: 1, name: "", doc: null, methods: null };

export class Peer implements Link {
  /** Settled when the other side has introduced itself; fails if the link ends before. */
  readonly opened: Promise<void>;
  /** Settled when the link has ended, with the reason. */
  readonly closed: Promise<ConnectionLost>;
  readonly #opening = Promise.withResolvers<void>();
  readonly #closing = Promise.withResolvers<ConnectionLost>();
  readonly #transport: Transport;
  readonly #session: Session;
  readonly #codec: Codec;
  readonly #outgoing: OutgoingCalls;
  readonly #incoming: IncomingCalls;
  readonly #root = new Handle(this, { object: ROOT, count: 0 }, UNKNOWN);
  readonly #pings = new Map<number, () => void>();
  #nextPing = 1;
  #lost: ConnectionLost | null = null;

  constructor(transport: Transport, options: PeerOptions = {}) {
    const {
      service = null,
      token = null,
      expectedToken = null,
      types = [],
      unheard = reportUnheard,
    } = options;
    this.opened = this.#opening.promise;
    this.closed = this.#closing.promise;
    this.opened.catch(() => {}); // not everybody asks
    this.#transport = transport;
    const { features, isWhole } = transport;
    this.#session = new Session({ token, expectedToken, features, isWhole });
    const release = (objects: Parameters<Session["release"]>[0]) =>
      this.#say(() => this.#session.release(objects));
    this.#codec = new Codec(this, { service, types, release });
    const pump = () => this.#pump();
    this.#outgoing = new OutgoingCalls(this.#session.own, this.#codec, pump, unheard);
    this.#incoming = new IncomingCalls(this.#session.their, this.#codec, pump, unheard);
    transport.open({
      frame: (frame) => this.#frame(frame),
      room: pump,
      closed: (reason, broken) => this.#end(new ConnectionLost(reason, { cause: broken })),
    });
    this.#pump();
  }

  /** The other side's root service. */
  root<T = Untyped>(): Remote<T> {
    return this.#root.remote as Remote<T>;
  }

  /** Settled when the other side has answered. */
  ping(): Promise<void> {
    if (this.#lost) return Promise.reject(this.#lost);
    return new Promise((resolve, reject) => {
      const n = this.#nextPing++;
      this.#pings.set(n, resolve);
      this.closed.then(reject);
      this.#say(() => this.#session.ping(n));
    });
  }

  /** Says goodbye. What is pending fails with ConnectionLost, on both sides. */
  close(reason = "The link was closed."): void {
    this.#leave(new ConnectionLost(reason));
  }

  /** What is alive: calls in each direction, and objects. By this, tests see that nothing leaks. */
  get counts(): Readonly<Record<"asked" | "running" | "own" | "received", number>> {
    const { own, their } = this.#session;
    return {
      asked: Math.max(own.size, this.#outgoing.size),
      running: Math.max(their.size, this.#incoming.size),
      own: this.#codec.own.size,
      received: this.#codec.received.size,
    };
  }

  // --- for remotes

  call(handle: Handle, method: string, content: Arguments): Call {
    return this.#outgoing.call(handle, method, content);
  }

  notify(handle: Handle, method: string, content: Arguments): void {
    this.#outgoing.notify(handle, method, content);
  }

  release(handle: Handle): void {
    if (handle !== this.#root) this.#codec.received.release(handle);
  }

  // --- the link

  #say(say: () => void): void {
    if (this.#lost) return;
    say();
    this.#pump();
  }

  #pump(): void {
    if (this.#lost) return;
    try {
      for (;;) {
        const frame = this.#session.take(() => this.#transport.hasRoom);
        if (!frame) return;
        this.#transport.send(frame);
      }
    } catch (error) {
      this.#fail(error);
    }
  }

  #frame(frame: Frame): void {
    if (this.#lost) return;
    try {
      for (const event of this.#session.receive(frame)) this.#handle(event);
    } catch (error) {
      this.#fail(error);
      return;
    }
    this.#pump();
  }

  #handle(event: Event): void {
    switch (event.type) {
      case "ready":
        this.#opening.resolve();
        break;
      case "call":
        this.#incoming.start(event);
        break;
      case "cancel":
        this.#incoming.cancel(event.id);
        break;
      case "more":
        this.#incoming.more(event.id);
        break;
      case "progress":
        this.#outgoing.progress(event);
        break;
      case "error":
        this.#outgoing.error(event);
        break;
      case "result":
        this.#outgoing.result(event);
        break;
      case "item":
        this.#outgoing.item(event);
        break;
      case "release":
        for (const [object, count] of event.objects) this.#codec.own.release(object, count);
        break;
      case "pong":
        this.#pings.get(event.n)?.();
        this.#pings.delete(event.n);
        break;
      case "bye":
        this.#transport.close();
        this.#end(new ConnectionLost(event.reason || "The other side closed the link."));
        break;
    }
  }

  #leave(lost: ConnectionLost): void {
    if (this.#lost) return;
    this.#session.bye(lost.message);
    this.#pump();
    this.#transport.close();
    this.#end(lost);
  }

  #fail(error: unknown): void {
    const message = error instanceof Error ? error.message : String(error);
    this.#leave(new ConnectionLost(message, { cause: error }));
  }

  #end(lost: ConnectionLost): void {
    if (this.#lost) return;
    this.#lost = lost;
    this.#pings.clear();
    this.#session.end();
    this.#codec.end();
    this.#incoming.end(lost);
    this.#outgoing.end(lost);
    this.#opening.reject(lost);
    this.#closing.resolve(lost);
  }
}

/** Where the console of a browser shows it. */
function reportUnheard(error: unknown): void {
  if (typeof reportError === "function") reportError(error);
}
