/**
 * One peer's end of a link, as a state machine: frames and wishes go in, events and frames come out
 * (protocol/RPC.md). It knows no socket, no clock, no promise, and nothing of values.
 */
import { ProtocolError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import { Inbox } from "./inbox.ts";
import { decodeMessage, type Message, VERSION } from "./messages.ts";
import { Outbox } from "./outbox.ts";
import { OwnCalls } from "./own_calls.ts";
import type { Event } from "./session_events.ts";
import { TheirCalls } from "./their_calls.ts";
import { sameToken } from "./token.ts";

export const LARGEST_HELLO = 4096;
const LONGEST_REASON = 1000;

export type SessionPolicy = {
  /** What this side presents. */
  readonly token?: string | null;
  /** What the other side must present; this side's hello waits for it. */
  readonly expectedToken?: string | null;
  readonly features?: readonly string[];
  /** Whether buffers travel whole. */
  readonly isWhole: boolean;
};

export class Session {
  readonly own: OwnCalls;
  readonly their: TheirCalls;
  readonly #policy: SessionPolicy;
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  #events: Event[] = [];
  #isReady = false;
  #isOver = false;

  constructor(policy: SessionPolicy) {
    this.#policy = policy;
    this.#outbox = new Outbox(policy.isWhole);
    this.#inbox = new Inbox(policy.isWhole, (buffer, bytes) =>
      this.#outbox.sayFirst({ type: "drain", buffer, bytes }),
    );
    const emit = (event: Event) => this.#events.push(event);
    this.own = new OwnCalls(this.#outbox, this.#inbox, emit);
    this.their = new TheirCalls(this.#outbox, this.#inbox, emit);
    // Who asks for a token says nothing before it has seen it.
    if (policy.expectedToken == null) this.#hello();
  }

  /** Calls that are open in either direction. */
  get open(): number {
    return this.own.size + this.their.size;
  }

  /** The next frame to write. Before a piece of a buffer, `hasRoom` is asked. */
  take(hasRoom: () => boolean): Frame | null {
    return this.#outbox.take(hasRoom, this.#isReady);
  }

  /** Throws a ProtocolError, after which the session is over. */
  receive(frame: Frame): readonly Event[] {
    if (this.#isOver) return [];
    if (!this.#isReady && frame.header.length > LARGEST_HELLO) {
      throw new ProtocolError("A hello is longer than 4 KiB.");
    }
    const message = decodeMessage(frame.header);
    if (frame.payload && message?.type !== "piece") {
      throw new ProtocolError("A message other than a piece has a payload.");
    }
    if (!this.#isReady && message?.type !== "hello" && message?.type !== "bye") {
      throw new ProtocolError("A session begins with a hello.");
    }
    if (message) this.#handle(message, frame.payload);
    const events = this.#events;
    this.#events = [];
    return events;
  }

  /** Gives back objects that came so many times. */
  release(objects: readonly (readonly [object: number, count: number])[]): void {
    this.#outbox.say({ type: "release", objects, segments: [] });
  }

  ping(n: number): void {
    this.#outbox.sayFirst({ type: "ping", n });
  }

  /** The last words. */
  bye(reason: string): void {
    this.end();
    this.#outbox.sayFirst({ type: "bye", reason: reason.slice(0, LONGEST_REASON).toWellFormed() });
  }

  /** Nothing is expected any more, and nothing that waits is sent. */
  end(): void {
    this.#isOver = true;
    this.#inbox.clear();
    this.#outbox.clear();
    this.own.clear();
    this.their.clear();
  }

  #hello(): void {
    const { token = null, features = [] } = this.#policy;
    this.#outbox.sayFirst({ type: "hello", version: VERSION, features, token, limits: {} });
  }

  #handle(message: Message, payload: Uint8Array | null): void {
    switch (message.type) {
      case "hello":
        this.#welcome(message);
        break;
      case "call":
        this.their.called(message);
        break;
      case "cancel":
        this.their.cancelled(message);
        break;
      case "more":
        this.their.wanted(message);
        break;
      case "result":
      case "item":
      case "error":
        this.own.answer(message);
        break;
      case "progress":
        this.own.progress(message);
        break;
      case "piece":
        this.#inbox.piece(message.buffer, message.last, payload);
        break;
      case "drain":
        this.#outbox.drain(message.buffer, message.bytes);
        break;
      case "release":
        if (message.segments.length > 0) throw new ProtocolError("There are no segments here.");
        this.#events.push(message);
        break;
      case "ping":
        this.#outbox.sayFirst({ type: "pong", n: message.n });
        break;
      case "pong":
        this.#events.push(message);
        break;
      case "bye":
        this.end();
        this.#events.push(message);
    }
  }

  #welcome({ version, features, token }: Message<"hello">): void {
    if (this.#isReady) throw new ProtocolError("Hello was said twice.");
    const { expectedToken = null, features: own = [] } = this.#policy;
    if (expectedToken !== null && !sameToken(token ?? "", expectedToken)) {
      throw new ProtocolError("The token is missing or wrong.");
    }
    if (version !== VERSION) {
      throw new ProtocolError(`The other side speaks version ${version}, this one ${VERSION}.`);
    }
    this.#isReady = true;
    if (expectedToken !== null) this.#hello();
    this.#events.push({ type: "ready", features: own.filter((name) => features.includes(name)) });
  }
}
