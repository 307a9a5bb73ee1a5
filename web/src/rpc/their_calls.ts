/** Calls of the other side, until they are answered. Pure. */
import { type ErrorParts, ProtocolError } from "./errors.ts";
import type { Arrival, Inbox } from "./inbox.ts";
import { encodeMessage, type Message, WANTS_NO_ANSWER, WANTS_STREAM } from "./messages.ts";
import type { Outbox } from "./outbox.ts";
import {
  CANCELLED,
  type Encoded,
  type Event,
  FIRST_ITEMS,
  MOST_CALLS,
  sizesOf,
} from "./session_events.ts";

type TheirCall = {
  readonly wantsStream: boolean;
  /** How many items may still be sent. */
  items: number;
  isCancelled: boolean;
  /** While it is not complete. */
  arrival: Arrival | null;
};

const MOST_ITEMS = 2 ** 32;
const key = (id: number) => `answer ${id}`;

/** Answers to a call that is closed already are dropped. */
export class TheirCalls {
  readonly #outbox: Outbox;
  readonly #inbox: Inbox;
  readonly #emit: (event: Event) => void;
  readonly #open = new Map<number, TheirCall>();
  #last = 0;

  constructor(outbox: Outbox, inbox: Inbox, emit: (event: Event) => void) {
    this.#outbox = outbox;
    this.#inbox = inbox;
    this.#emit = emit;
  }

  get size(): number {
    return this.#open.size;
  }

  isOpen(id: number): boolean {
    return this.#open.has(id);
  }

  mayTake(id: number): boolean {
    return (this.#open.get(id)?.items ?? 0) > 0;
  }

  result(id: number, value: Encoded): void {
    if (this.#send("result", id, value)) this.#open.delete(id);
  }

  /** Call it only while `mayTake`. */
  item(id: number, value: Encoded): void {
    const call = this.#open.get(id);
    if (call && call.items < 1) throw new RangeError("The caller has not asked for more items.");
    if (this.#send("item", id, value) && call) call.items -= 1;
  }

  error(id: number, error: ErrorParts): void {
    if (this.#open.delete(id)) this.#outbox.say({ type: "error", id, error });
  }

  progress(message: Message<"progress">): void {
    if (this.#open.has(message.id)) this.#outbox.say(message);
  }

  // --- what the other side says

  called(call: Message<"call">): void {
    if (call.id <= this.#last) throw new ProtocolError("The numbers of calls do not rise.");
    if (this.#open.size >= MOST_CALLS) throw new ProtocolError("Too many calls are open.");
    this.#last = call.id;
    const wantsStream = (call.flags & WANTS_STREAM) !== 0;
    const items = wantsStream ? FIRST_ITEMS : 0;
    const state: TheirCall = { wantsStream, items, isCancelled: false, arrival: null };
    if (!(call.flags & WANTS_NO_ANSWER)) this.#open.set(call.id, state);
    if (call.buffers.length === 0) this.#emit({ ...call, buffers: [] });
    else state.arrival = this.#inbox.announce(call.buffers, () => this.#arrived(call, state));
  }

  cancelled(message: Message<"cancel">): void {
    this.#checkMade(message.id);
    const call = this.#open.get(message.id);
    // It is answered already: spare the rest of a long answer.
    if (!call) this.#outbox.giveUp(key(message.id));
    else if (call.arrival) call.isCancelled = true;
    else this.#emit(message);
  }

  wanted(message: Message<"more">): void {
    this.#checkMade(message.id);
    const call = this.#open.get(message.id);
    if (!call) return;
    if (!call.wantsStream || call.items + message.count > MOST_ITEMS) {
      throw new ProtocolError("More was asked for than there can be.");
    }
    call.items += message.count;
    this.#emit(message);
  }

  clear(): void {
    this.#open.clear();
  }

  #arrived(call: Message<"call">, state: TheirCall): void {
    const { arrival } = state;
    state.arrival = null;
    if (arrival?.isGivenUp) this.error(call.id, CANCELLED);
    else {
      // Also a call that was given up meanwhile: there may be objects in it that must be given back.
      this.#emit({ ...call, buffers: arrival?.buffers ?? [] });
      if (state.isCancelled) this.#emit({ type: "cancel", id: call.id });
    }
  }

  #send(type: "result" | "item", id: number, { packed, buffers, undo }: Encoded): boolean {
    if (!this.#open.has(id)) {
      undo();
      return false;
    }
    const header = encodeMessage({ type, id, value: packed, buffers: sizesOf(buffers) });
    this.#outbox.push({ header, buffers, key: key(id), undo });
    return true;
  }

  #checkMade(id: number): void {
    if (id > this.#last) throw new ProtocolError("Something was said of a call that was not made.");
  }
}
