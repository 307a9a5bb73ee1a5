/** Values on their way in. Whatever came, it throws nothing but a V1Error. */
import type { Callable } from "./stores.ts";
import { DEEPEST, isPlain, isTyped, messageOf, type Plain, type Typed, V1Error } from "./values.ts";

/** What becomes of values that v1 writes as maps with a type, and of what it does not write. */
export type Arrivals = {
  /** The value, or a promise of it; undefined: it stays a map. */
  readonly fromWire: (typed: Typed) => unknown;
  /** The same of an object that came as itself: a Date, a File. */
  readonly arrived: (value: object) => unknown;
  /** Whether the content of a map whose type nobody knows is read too. */
  readonly isDeep: boolean;
  /** What stands at `_rintf` of an object with functions. */
  readonly interfaceMark: (id: unknown) => unknown;
  /** An object with functions is complete. */
  readonly interfaceCame: (object: object, id: unknown) => void;
};

export type Callables = {
  readonly callback: (targetId: unknown, id: number | string) => Callable;
  readonly method: (targetId: unknown, id: unknown, name: string) => Callable;
};

/** Types whose content is bytes. */
const BYTES = "ndarray typedarray memoryview blob file error".split(" ");

export type DecodedValue = { readonly value: unknown; readonly pending: Promise<void>[] };

/** Reads one value. It is complete when all that is pending is done. Throws a V1Error. */
export function decode(value: unknown, arrivals: Arrivals, callables: Callables): DecodedValue {
  const pending: Promise<void>[] = [];
  const top: { value: unknown } = { value: undefined };
  try {
    new Reader(arrivals, callables, pending).into(top, "value", value, 0);
  } catch (error) {
    if (error instanceof V1Error) throw error;
    throw new V1Error(`A value cannot be read: ${messageOf(error)}`, { cause: error });
  }
  return {
    get value() {
      return top.value;
    },
    pending,
  };
}

class Reader {
  readonly #arrivals: Arrivals;
  readonly #callables: Callables;
  readonly #pending: Promise<void>[];

  constructor(arrivals: Arrivals, callables: Callables, pending: Promise<void>[]) {
    this.#arrivals = arrivals;
    this.#callables = callables;
    this.#pending = pending;
  }

  into(owner: object, key: string | number, value: unknown, depth: number): void {
    if (depth > DEEPEST) throw new V1Error(`A value is nested more than ${DEEPEST} deep.`);
    if (key === "__proto__" || key === "__transferables__") return;
    const content = this.#content(value, depth);
    Reflect.set(owner, key, content);
    if (content instanceof Promise) {
      this.#pending.push(
        content.then((came: unknown) => {
          Reflect.set(owner, key, came);
        }),
      );
    }
  }

  #content(value: unknown, depth: number): unknown {
    if (typeof value !== "object" || value === null) return value;
    if (Array.isArray(value)) return this.#list(value, depth);
    if (!isPlain(value)) return this.#arrivals.arrived(value);
    return isTyped(value) ? this.#typed(value, depth) : this.#map(value, depth);
  }

  #list(value: readonly unknown[], depth: number): unknown[] {
    const list: unknown[] = [];
    for (const item of value) {
      list.push(null);
      this.into(list, list.length - 1, item, depth + 1);
    }
    return list;
  }

  #map(value: Plain, depth: number): Plain {
    const map: Plain = {};
    const { _rintf: id } = value;
    for (const key of Object.keys(value)) {
      if (key === "_rintf") map[key] = this.#arrivals.interfaceMark(id);
      else this.into(map, key, value[key], depth + 1);
    }
    if (id) this.#arrivals.interfaceCame(map, id);
    return map;
  }

  #typed(value: Typed, depth: number): unknown {
    const { _rtype, _rtarget_id, _rvalue, _rintf } = value;
    if (_rtype === "callback") {
      if (typeof _rvalue === "number" || typeof _rvalue === "string") {
        return this.#callables.callback(_rtarget_id, _rvalue);
      }
      throw new V1Error("A callback has no number.");
    }
    if (_rtype === "interface") {
      if (typeof _rvalue === "string") {
        return this.#callables.method(_rtarget_id, _rintf, _rvalue);
      }
      throw new V1Error("A function of an interface has no name.");
    }
    if (_rtype === "set" || _rtype === "orderedmap") {
      const parts: Promise<void>[] = [];
      const inner = new Reader(this.#arrivals, this.#callables, parts);
      const list = inner.#list(listIn(_rvalue), depth + 1);
      const finish = () => this.#arrivals.fromWire({ _rtype, _rvalue: list });
      return parts.length > 0 ? Promise.all(parts).then(finish) : finish();
    }
    // What a codec made keeps its name, and its functions can be called.
    const { isDeep } = this.#arrivals;
    // In place: what is pending in it is put there.
    const isRead = _rintf || (isDeep && !BYTES.includes(_rtype));
    const whole = isRead ? Object.assign(this.#map(value, depth), { _rtype }) : value;
    return this.#arrivals.fromWire(whole) ?? whole;
  }
}

function listIn(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new V1Error("A set or a map has no list where it belongs.");
}
