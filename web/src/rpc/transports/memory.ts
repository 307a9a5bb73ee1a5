/** A link within one thread: for tests, and for objects that should be called as if from afar. */
import type { Frame } from "../frames.ts";
import type { Transport, TransportListener } from "./transport.ts";

class MemoryTransport implements Transport {
  readonly isWhole = true;
  readonly features: readonly string[] = [];
  readonly hasRoom = true;
  other: MemoryTransport | null = null;
  #listener: TransportListener | null = null;
  /** What came before anybody listened. */
  #early: Frame[] = [];

  open(listener: TransportListener): void {
    this.#listener = listener;
    const early = this.#early;
    this.#early = [];
    for (const frame of early) this.#later(frame);
  }

  send(frame: Frame): void {
    this.other?.receive(frame);
  }

  close(): void {
    const other = this.other;
    this.other = null;
    this.#listener = null;
    // After the frames that are on their way.
    queueMicrotask(() => other?.lost());
  }

  receive(frame: Frame): void {
    if (this.#listener) this.#later(frame);
    else this.#early.push(frame);
  }

  lost(): void {
    this.other = null;
    this.#listener?.closed("The other side closed the link.");
    this.#listener = null;
  }

  #later(frame: Frame): void {
    queueMicrotask(() => this.#listener?.frame(frame));
  }
}

/** Both ends of a new link. */
export function memoryLink(): readonly [Transport, Transport] {
  const [one, other] = [new MemoryTransport(), new MemoryTransport()];
  one.other = other;
  other.other = one;
  return [one, other];
}
