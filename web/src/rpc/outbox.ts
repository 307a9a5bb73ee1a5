/** What waits to be written: messages first, then pieces of buffers, which take turns. Pure. */
import { ProtocolError } from "./errors.ts";
import { type Frame, LARGEST_PIECE } from "./frames.ts";
import { LARGEST_BUFFER, MOST_BUFFERS } from "./message_fields.ts";
import { encodeMessage, type Message } from "./messages.ts";

/** What may be sent of a buffer before the other side has said that it took some. */
export const FIRST_CREDIT = 8 << 20;
/** Messages before a piece is let through, so that many calls cannot starve a transfer. */
const MOST_IN_A_ROW = 64;

/** Bytes that travel beside a header. */
export type OutgoingBytes = {
  readonly bytes: Uint8Array;
  /** Whether the sender gave the memory away: then it is moved where the transport can move it. */
  readonly given: boolean;
};

/** A message with all that belongs to it. */
export type Parcel = {
  readonly header: Uint8Array;
  readonly buffers: readonly OutgoingBytes[];
  /** Whose it is. */
  readonly key: string;
  /** Called if it never arrives whole while the link lives. */
  readonly undo: () => void;
};

type Sending = OutgoingBytes & {
  readonly parcel: Parcel;
  readonly number: number;
  at: number;
  credit: number;
};

export class Outbox {
  readonly #isWhole: boolean;
  /** What must never wait behind a message: the other side's own sending may depend on it. */
  readonly #urgent: Uint8Array[] = [];
  readonly #messages: Parcel[] = [];
  readonly #sending = new Map<number, Sending>();
  /** Buffers that have both bytes and credit. */
  #turns: Sending[] = [];
  #next = 1;
  #inARow = 0;

  /** `isWhole`: buffers travel in one piece. */
  constructor(isWhole: boolean) {
    this.#isWhole = isWhole;
  }

  /** A message that must not wait. */
  sayFirst(message: Message): void {
    this.#urgent.push(encodeMessage(message));
  }

  /** A message that stands for itself. */
  say(message: Message): void {
    this.push({ header: encodeMessage(message), buffers: [], key: "", undo: () => {} });
  }

  push(parcel: Parcel): void {
    if (parcel.buffers.length > MOST_BUFFERS) {
      throw new RangeError(`A message has at most ${MOST_BUFFERS} large arrays.`);
    }
    if (parcel.buffers.some(({ bytes }) => bytes.length > LARGEST_BUFFER)) {
      throw new RangeError("An array has at most 2^40 bytes.");
    }
    this.#messages.push(parcel);
  }

  drain(number: number, bytes: number): void {
    // The other side may have said so while the last pieces were on their way.
    if (number < this.#next && !this.#sending.has(number)) return;
    const buffer = this.#sending.get(number);
    if (!buffer || buffer.credit + bytes > FIRST_CREDIT) {
      throw new ProtocolError(`Buffer ${number} did not have ${bytes} bytes to take.`);
    }
    if (buffer.credit === 0) this.#turns.push(buffer);
    buffer.credit += bytes;
  }

  /** The frame to write next; only urgent ones before `isReady`. Asked for room where it would be a piece. */
  take(hasRoom: () => boolean, isReady: boolean): Frame | null {
    const urgent = this.#urgent.shift();
    if (urgent) return { header: urgent, payload: null };
    if (!isReady) return null;
    const isTheirTurn = this.#inARow >= MOST_IN_A_ROW && this.#turns.length > 0;
    if (isTheirTurn && hasRoom()) return this.#piece();
    const parcel = this.#messages[0];
    if (parcel && this.#sending.size + parcel.buffers.length <= MOST_BUFFERS) {
      this.#messages.shift();
      this.#inARow += 1;
      for (const buffer of parcel.buffers) this.#begin(buffer, parcel);
      return { header: parcel.header, payload: null };
    }
    return this.#turns.length > 0 && hasRoom() ? this.#piece() : null;
  }

  /** Takes back what nobody has heard of yet. Returns whether there was any. */
  withdraw(key: string): boolean {
    const place = this.#messages.findIndex((parcel) => parcel.key === key);
    if (place < 0) return false;
    for (const parcel of this.#messages.splice(place, 1)) parcel.undo();
    return true;
  }

  /** Nobody wants the rest of these messages' buffers: a last piece that comes early says so. */
  giveUp(key: string): void {
    const unfinished = [...this.#sending.values()].filter(({ parcel }) => parcel.key === key);
    if (unfinished.length === 0) return;
    for (const { number } of unfinished) {
      this.#sending.delete(number);
      this.sayFirst({ type: "piece", buffer: number, last: true });
    }
    this.#turns = this.#turns.filter(({ parcel }) => parcel.key !== key);
    for (const parcel of new Set(unfinished.map((buffer) => buffer.parcel))) parcel.undo();
  }

  clear(): void {
    this.#urgent.length = 0;
    this.#messages.length = 0;
    this.#turns = [];
    this.#sending.clear();
  }

  #begin(buffer: OutgoingBytes, parcel: Parcel): void {
    const sending = { ...buffer, parcel, number: this.#next++, at: 0, credit: FIRST_CREDIT };
    this.#sending.set(sending.number, sending);
    this.#turns.push(sending);
  }

  #piece(): Frame | null {
    this.#inARow = 0;
    const buffer = this.#turns.shift();
    if (!buffer) return null;
    const left = buffer.bytes.length - buffer.at;
    const size = this.#isWhole ? left : Math.min(left, LARGEST_PIECE, buffer.credit);
    const last = size === left;
    const payload = this.#isWhole
      ? movable(buffer)
      : buffer.bytes.subarray(buffer.at, buffer.at + size);
    buffer.at += size;
    buffer.credit -= size;
    if (last) this.#sending.delete(buffer.number);
    else if (buffer.credit > 0) this.#turns.push(buffer);
    return { header: encodeMessage({ type: "piece", buffer: buffer.number, last }), payload };
  }
}

/** Memory that can be moved away: the sender's where it was given and is all there is, else a copy. */
function movable({ bytes, given }: OutgoingBytes): Uint8Array {
  const { buffer } = bytes;
  const isAll = buffer instanceof ArrayBuffer && buffer.byteLength === bytes.length;
  return given && isAll ? bytes : new Uint8Array(bytes);
}
