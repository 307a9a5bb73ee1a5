/** What the other side may call: objects with functions, by an id; callbacks, by a number. Pure. */
import { V1Error } from "./values.ts";

export type Callable = (...args: unknown[]) => unknown;
export type CallbackId = number | string;

/** Objects that were sent as interfaces. */
export class ObjectStore {
  readonly #objects = new Map<string, object>();

  put(object: object, id: string = randomId()): string {
    this.#objects.set(id, object);
    return id;
  }

  /** The function at `path` of an object, and what it is a method of. Throws a V1Error. */
  method(id: string, path: string): Callable {
    const object = this.#objects.get(id);
    if (!object) throw new V1Error("The object that was called is gone.");
    let [owner, found]: [unknown, unknown] = [undefined, object];
    for (const name of path.split(".")) [owner, found] = [found, publicPart(found, name, path)];
    if (typeof found !== "function") throw new V1Error(`${path} is no function.`);
    return (...args) => Reflect.apply(found as Callable, owner, args);
  }

  /** Throws a V1Error where there is none. */
  dispose(id: string): void {
    if (!this.#objects.delete(id)) throw new V1Error(`Object (id=${id}) not found.`);
  }

  delete(id: string): void {
    this.#objects.delete(id);
  }

  get size(): number {
    return this.#objects.size;
  }

  clear(): void {
    this.#objects.clear();
  }
}

type Stored = { readonly call: Callable; readonly isKept: boolean; pair: CallbackId | null };

/** Functions that were sent as callbacks: they go with their first call, but for those that are kept. */
export class CallbackStore {
  readonly #stored = new Map<CallbackId, Stored>();
  // v1's own peers forget the other one of a pair whose number is 0.
  #next = 1;

  put(call: Callable, isKept: boolean): CallbackId {
    const id = this.#next++;
    this.#stored.set(id, { call, isKept, pair: null });
    return id;
  }

  /** Whichever of the two is called, both are gone. */
  pair(one: CallbackId, other: CallbackId): void {
    const [first, second] = [this.#stored.get(one), this.#stored.get(other)];
    if (first) first.pair = other;
    if (second) second.pair = one;
  }

  /** Throws a V1Error where it was called before. */
  take(id: CallbackId): Callable {
    const stored = this.#stored.get(id);
    if (!stored) {
      throw new V1Error(
        "A callback can be called once only. To let it be called more often, put it in an object with _rintf: true.",
      );
    }
    if (!stored.isKept) this.#stored.delete(id);
    if (stored.pair !== null) this.#stored.delete(stored.pair);
    return stored.call;
  }

  get size(): number {
    return this.#stored.size;
  }

  clear(): void {
    this.#stored.clear();
  }
}

/** A name that nobody else has. */
export function randomId(): string {
  const words = crypto.getRandomValues(new Uint32Array(4));
  return Array.from(words, (word) => word.toString(36).padStart(7, "0")).join("");
}

/** A part that its owner gave it: nothing that the language put there. */
function publicPart(object: unknown, name: string, path: string): unknown {
  const isObject = (typeof object === "object" && object !== null) || typeof object === "function";
  if (isObject && name !== "__proto__" && name !== "constructor") {
    let place: object | null = object as object;
    while (place && !isBuiltIn(place)) {
      if (Object.hasOwn(place, name)) return Reflect.get(place, name, object as object);
      place = Object.getPrototypeOf(place);
    }
  }
  throw new V1Error(`There is no function ${path.slice(0, 80)}.`);
}

/** Whether it is the prototype of a class of the language. */
export function isBuiltIn(place: object): boolean {
  if (!Object.hasOwn(place, "constructor")) return false;
  const { constructor: type } = place;
  return (
    typeof type === "function" &&
    type.prototype === place &&
    Function.prototype.toString.call(type).includes("[native code]")
  );
}
