/** Messages that wait for their buffers, and buffers on their way in. Pure. */
import { ProtocolError } from "./errors.ts";
import { MOST_BUFFERS } from "./message_fields.ts";
import { FIRST_CREDIT } from "./outbox.ts";

/** The sender hears that bytes were taken in steps of this, so that few messages say so. */
export const DRAIN_STEP = 1 << 20;
const FIRST_BYTES = 1 << 20;

/** A message's buffers; complete when none is missing. */
export type Arrival = {
  readonly buffers: ArrayBuffer[];
  missing: number;
  /** Whether its sender will not send the rest. */
  isGivenUp: boolean;
  readonly complete: () => void;
};

type Incoming = {
  readonly size: number;
  readonly arrival: Arrival;
  readonly place: number;
  storage: ArrayBuffer;
  received: number;
  drained: number;
};

/** Holds a place. (Never moved: that would empty it for all.) */
const EMPTY = new ArrayBuffer(0);

export class Inbox {
  readonly #isWhole: boolean;
  readonly #drain: (buffer: number, bytes: number) => void;
  readonly #incoming = new Map<number, Incoming>();
  #next = 1;

  constructor(isWhole: boolean, drain: (buffer: number, bytes: number) => void) {
    this.#isWhole = isWhole;
    this.#drain = drain;
  }

  /** A message came that has buffers of these sizes. `complete` is called when all are here. */
  announce(sizes: readonly number[], complete: () => void): Arrival {
    if (this.#incoming.size + sizes.length > MOST_BUFFERS) {
      throw new ProtocolError(`More than ${MOST_BUFFERS} buffers are announced and unfinished.`);
    }
    const buffers = sizes.map(() => EMPTY);
    const arrival: Arrival = { buffers, missing: sizes.length, isGivenUp: false, complete };
    sizes.forEach((size, place) => {
      const state = { size, arrival, place, storage: new ArrayBuffer(0), received: 0, drained: 0 };
      this.#incoming.set(this.#next++, state);
    });
    return arrival;
  }

  piece(number: number, last: boolean, payload: Uint8Array | null): void {
    const buffer = this.#incoming.get(number);
    if (!buffer) throw new ProtocolError(`A piece belongs to no buffer (${number}).`);
    const size = payload?.length ?? 0;
    const received = buffer.received + size;
    if (received > buffer.size) throw new ProtocolError("A buffer is longer than was announced.");
    if (size === 0 && !last) throw new ProtocolError("A piece is empty, and not the last.");
    if (!this.#isWhole && received - buffer.drained > FIRST_CREDIT) {
      throw new ProtocolError("A buffer was sent faster than it was taken.");
    }
    if (payload && !buffer.arrival.isGivenUp) store(buffer, payload, this.#isWhole);
    buffer.received = received;
    if (last) this.#finish(number, buffer);
    else if (received - buffer.drained >= DRAIN_STEP) {
      this.#drain(number, received - buffer.drained);
      buffer.drained = received;
    }
  }

  clear(): void {
    this.#incoming.clear();
  }

  #finish(number: number, buffer: Incoming): void {
    this.#incoming.delete(number);
    const { arrival, place, storage, size, received } = buffer;
    if (received < size) arrival.isGivenUp = true;
    if (arrival.isGivenUp) arrival.buffers.fill(EMPTY);
    else arrival.buffers[place] = storage.byteLength === size ? storage : storage.transfer(size);
    arrival.missing -= 1;
    if (arrival.missing === 0) arrival.complete();
  }
}

/** Memory grows with what has come, never with what was announced. */
function store(buffer: Incoming, payload: Uint8Array, isWhole: boolean): void {
  const all = payload.buffer;
  if (isWhole && all instanceof ArrayBuffer && all.byteLength === payload.length) {
    buffer.storage = all; // moved here by the transport
    return;
  }
  const needed = buffer.received + payload.length;
  if (needed > buffer.storage.byteLength) {
    const larger = Math.max(needed, buffer.storage.byteLength * 2, FIRST_BYTES);
    buffer.storage = buffer.storage.transfer(Math.min(larger, buffer.size));
  }
  new Uint8Array(buffer.storage, buffer.received).set(payload);
}
