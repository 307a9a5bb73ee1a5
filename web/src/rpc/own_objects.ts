/** The objects of this side that the other may call, and how often each was sent. Pure. */
import { ProtocolError } from "./errors.ts";

export const MOST_OBJECTS = 1 << 20;
export const ROOT = 0;

type Entry = { readonly object: object; count: number };

export class OwnObjects {
  readonly #entries = new Map<number, Entry>();
  readonly #ids = new Map<object, number>();
  readonly #root: object | null;
  #next = ROOT + 1;

  constructor(root: object | null) {
    this.#root = root;
  }

  get size(): number {
    return this.#entries.size;
  }

  /** Counts that `object` is sent once more. Throws a RangeError when there are too many. */
  send(object: object): number {
    const known = this.#ids.get(object);
    const entry = known === undefined ? undefined : this.#entries.get(known);
    if (known !== undefined && entry) {
      entry.count += 1;
      return known;
    }
    if (this.#entries.size >= MOST_OBJECTS) {
      throw new RangeError("A million objects are held by the other side: something leaks.");
    }
    const id = this.#next++;
    this.#entries.set(id, { object, count: 1 });
    this.#ids.set(object, id);
    return id;
  }

  get(id: number): object {
    const object = id === ROOT ? this.#root : this.#entries.get(id)?.object;
    if (object) return object;
    throw new ProtocolError(
      id === ROOT ? "This side offers no service." : `There is no object ${id} here any more.`,
    );
  }

  /** The other side gives back what it received `count` times. */
  release(id: number, count: number): void {
    const entry = this.#entries.get(id);
    if (!entry || count < 1 || count > entry.count) {
      throw new ProtocolError(`Object ${id} was not sent ${count} times.`);
    }
    entry.count -= count;
    if (entry.count > 0) return;
    this.#entries.delete(id);
    this.#ids.delete(entry.object);
  }

  clear(): void {
    this.#entries.clear();
    this.#ids.clear();
  }
}
