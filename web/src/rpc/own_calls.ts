/** Calls of this side, until their answers are delivered. Pure. */
import { ProtocolError } from "./errors.ts";
import type { Arrival, Inbox } from "./inbox.ts";
import { encodeMessage, type Message, WANTS_NO_ANSWER, WANTS_STREAM } from "./messages.ts";
import type { Outbox } from "./outbox.ts";
import {
  CANCELLED,
  type EncodedCall,
  type Event,
  FIRST_ITEMS,
  MOST_CALLS,
  sizesOf,
} from "./session_events.ts";

type Answer = Message<"result" | "item" | "error">;
type OwnCall = {
  readonly wantsStream: boolean;
  /** How many items may still come. */
  items: number;
  isCancelled: boolean;
  /** What belongs to a call is delivered in the order in which it was sent. */
  readonly waiting: { readonly message: Answer; readonly arrival: Arrival | null }[];
};

const key = (id: number) => `call ${id}`;

export class OwnCalls {
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #emit: (event: Event) => void;
  readonly #open = new Map<number, OwnCall>();
  #next = 1;

  constructor(outbox: Outbox, inbox: Inbox, emit: (event: Event) => void) {
    this.#outbox = outbox;
    this.#inbox = inbox;
    this.#emit = emit;
  }

  get size(): number {
    return this.#open.size;
  }

  call({ buffers, undo, ...call }: EncodedCall): number {
    if (this.#open.size >= MOST_CALLS) throw new RangeError("65,536 calls are open already.");
    const id = this.#next;
    const header = encodeMessage({ type: "call", id, ...call, buffers: sizesOf(buffers) });
    this.#outbox.push({ header, buffers, key: key(id), undo });
    this.#next += 1;
    if (!(call.flags & WANTS_NO_ANSWER)) {
      const wantsStream = (call.flags & WANTS_STREAM) !== 0;
      const items = wantsStream ? FIRST_ITEMS : 0;
      this.#open.set(id, { wantsStream, items, isCancelled: false, waiting: [] });
    }
    return id;
  }

  /** What is still to come of it is delivered all the same. Returns false if nothing is to come. */
  cancel(id: number): boolean {
    const call = this.#open.get(id);
    if (!call || call.isCancelled) return call !== undefined;
    call.isCancelled = true;
    if (this.#outbox.withdraw(key(id))) {
      this.#open.delete(id);
      return false;
    }
    this.#outbox.giveUp(key(id));
    this.#outbox.say({ type: "cancel", id });
    return true;
  }

  more(id: number, count: number): void {
    const call = this.#open.get(id);
    if (!call?.wantsStream || call.isCancelled) return;
    call.items += count;
    this.#outbox.say({ type: "more", id, count });
  }

  progress(message: Message<"progress">): void {
    if (!this.#open.has(message.id)) throw new ProtocolError("Progress came of no open call.");
    this.#emit(message);
  }

  answer(message: Answer): void {
    const { id } = message;
    const call = this.#open.get(id);
    const last = call?.waiting.at(-1);
    if (!call || (last && last.message.type !== "item")) {
      throw new ProtocolError("An answer came to no open call.");
    }
    if (message.type === "item") {
      if (call.items < 1) throw new ProtocolError("A stream sends more than was asked for.");
      call.items -= 1;
    }
    const arrival =
      message.type !== "error" && message.buffers.length > 0
        ? this.#inbox.announce(message.buffers, () => this.#deliver(id, call))
        : null;
    call.waiting.push({ message, arrival });
    this.#deliver(id, call);
  }

  clear(): void {
    this.#open.clear();
  }

  #deliver(id: number, call: OwnCall): void {
    for (let next = call.waiting[0]; next; next = call.waiting[0]) {
      const { message, arrival } = next;
      if (arrival && arrival.missing > 0) return;
      call.waiting.shift();
      if (message.type !== "item") this.#open.delete(id);
      if (message.type === "error") this.#emit(message);
      else if (!arrival?.isGivenUp) this.#emit({ ...message, buffers: arrival?.buffers ?? [] });
      // An item of a stream that is given up is missed by nobody.
      else if (message.type === "result") this.#emit({ type: "error", id, error: CANCELLED });
    }
  }
}
