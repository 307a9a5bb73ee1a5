/** Values on their way out, as v1 writes them. */
import {
  type Callable,
  type CallbackStore,
  isBuiltIn,
  type ObjectStore,
  randomId,
} from "./stores.ts";
import { DEEPEST, isPlain, isTyped, type Plain, V1Error } from "./values.ts";

/** How objects that are neither lists, maps nor functions are written. */
export type Natives = {
  /** What stands for it, or a promise of that; undefined: this is none of them. */
  readonly toWire: (value: object, given: Transferable[]) => unknown;
  /** Whether a function stays after its first call, whatever it is an argument of. */
  readonly isKept: (call: Callable) => boolean;
};

export type EncodedValue = {
  readonly value: unknown;
  /** Memory that goes away with it. */
  readonly given: Transferable[];
  /** It is complete when all of these are. */
  readonly pending: Promise<void>[];
};

type Interface = { readonly id: string; readonly path: string };

/** Types whose content is as it must be. */
const WRITTEN = [
  ..."callback interface ndarray typedarray memoryview blob file error".split(" "),
  "date",
];

export class Encoder {
  readonly #objects: ObjectStore;
  readonly #callbacks: CallbackStore;
  readonly #natives: Natives;
  readonly #ownId: string | undefined;
  /** Functions of interfaces that were sent, and those of callbacks that stay. */
  readonly #known = new WeakMap<Callable, unknown>();

  constructor(
    objects: ObjectStore,
    callbacks: CallbackStore,
    natives: Natives,
    ownId: string | undefined,
  ) {
    this.#objects = objects;
    this.#callbacks = callbacks;
    this.#natives = natives;
    this.#ownId = ownId;
  }

  /** `asInterface`: its functions may be called again and again. Throws a V1Error for what cannot be sent. */
  encode(value: unknown, asInterface = false): EncodedValue {
    const given: Transferable[] = [];
    const pending: Promise<void>[] = [];
    const top: { value: unknown } = { value: null };
    const write = new Writer(this, given, pending);
    const isFunction = typeof value === "function";
    if (asInterface && !isFunction && isObject(value)) {
      top.value = write.object(value, { id: this.#idFor(value), path: "" }, 0);
    } else write.into(top, "value", value, null, 0);
    return {
      get value() {
        return top.value;
      },
      given,
      pending,
    };
  }

  /** Two callbacks of which one will be called. */
  encodePair(resolve: Callable, reject: Callable): unknown[] {
    const [one, other] = [
      this.#callbacks.put(resolve, false),
      this.#callbacks.put(reject, false),
    ] as const;
    this.#callbacks.pair(one, other);
    return [one, other].map((id) => this.#callback(id));
  }

  function(call: Callable, where: Interface | null): unknown {
    const known = this.#known.get(call);
    if (where) {
      const written = {
        _rtype: "interface",
        _rtarget_id: this.#ownId,
        _rintf: where.id,
        _rvalue: where.path,
      };
      this.#known.set(call, written);
      return written;
    }
    if (known) return known;
    const isKept = this.#natives.isKept(call);
    const written = this.#callback(this.#callbacks.put(call, isKept));
    if (isKept) this.#known.set(call, written);
    return written;
  }

  native(value: object, given: Transferable[]): unknown {
    return this.#natives.toWire(value, given);
  }

  open(value: object): Interface {
    return { id: this.#idFor(value), path: "" };
  }

  close(id: string): void {
    this.#objects.delete(id);
  }

  #idFor(value: object): string {
    const wanted: unknown = (value as Plain)["_rintf"];
    const id = typeof wanted === "string" && wanted ? wanted : randomId();
    return this.#objects.put(value, id);
  }

  #callback(id: number | string): unknown {
    return { _rtype: "callback", _rtarget_id: this.#ownId, _rname: "Function", _rvalue: id };
  }
}

class Writer {
  readonly #encoder: Encoder;
  readonly #given: Transferable[];
  readonly #pending: Promise<void>[];

  constructor(encoder: Encoder, given: Transferable[], pending: Promise<void>[]) {
    this.#encoder = encoder;
    this.#given = given;
    this.#pending = pending;
  }

  /** Writes a value to its place, at once or when it is there. */
  into(
    owner: object,
    key: string | number,
    value: unknown,
    where: Interface | null,
    depth: number,
  ): void {
    if (depth > DEEPEST) throw new V1Error(`A value is nested more than ${DEEPEST} deep.`);
    const put = (content: unknown) => {
      if (key !== "__proto__") Reflect.set(owner, key, content);
    };
    if (typeof value === "function") put(this.#encoder.function(value as Callable, where));
    else if (typeof value === "symbol") throw new V1Error("A symbol cannot be sent.");
    else if (!isObject(value)) put(value);
    else this.#objectInto(put, value, where, depth);
  }

  #objectInto(
    put: (content: unknown) => void,
    value: object,
    where: Interface | null,
    depth: number,
  ): void {
    if (isTyped(value) && WRITTEN.includes(value._rtype)) {
      put(this.#encoder.native(value, this.#given) ?? value);
      return;
    }
    const native: unknown = this.#encoder.native(value, this.#given);
    if (native instanceof Promise) {
      this.#pending.push(native.then((content) => put(this.#written(content, where, depth))));
    } else if (native !== undefined) put(this.#written(native, where, depth));
    else put(this.object(value, where, depth));
  }

  /** What a codec made: with functions in it if it says so. */
  #written(content: unknown, where: Interface | null, depth: number): unknown {
    if (isTyped(content) && content["_rintf"]) return this.object(content, where, depth);
    if (isTyped(content) && !WRITTEN.includes(content._rtype) && isObject(content["_rvalue"])) {
      const written = { ...content };
      this.into(written, "_rvalue", content["_rvalue"], where, depth + 1);
      return written;
    }
    return content;
  }

  object(value: object, where: Interface | null, depth: number): unknown {
    if (Array.isArray(value)) return this.#list(value, where, depth);
    const isInstance = !isPlain(value);
    const wantsOwn = where === null && (isInstance || Boolean((value as Plain)["_rintf"]));
    const place = wantsOwn ? this.#encoder.open(value) : where;
    const written: Plain = {};
    let hasFunctions = false;
    for (const key of isInstance ? namesOf(value) : Object.keys(value)) {
      // What begins with `_` stays inside of an interface; and `_rtype` says what a map is.
      if (key === "_rtype" ? isInstance : place && key.startsWith("_")) continue;
      if (key === "__transferables__" || key === "constructor") continue;
      const content: unknown = Reflect.get(value, key);
      if (typeof content === "function") hasFunctions = true;
      this.into(written, key, content, place && within(place, key), depth + 1);
    }
    if (place && hasFunctions) written["_rintf"] = place.id;
    if (place && wantsOwn) {
      const { id } = place;
      onClose(value, () => this.#encoder.close(id));
    }
    return written;
  }

  #list(list: readonly unknown[], where: Interface | null, depth: number): unknown[] {
    const written: unknown[] = [];
    list.forEach((item, n) => {
      written.push(null);
      this.into(written, n, item, where && within(where, String(n)), depth + 1);
    });
    return written;
  }
}

function within({ id, path }: Interface, key: string): Interface {
  return { id, path: path ? `${path}.${key}` : key };
}

/** An object is forgotten when it says that it is closed. */
function onClose(value: object, forget: () => void): void {
  const on: unknown = Reflect.get(value, "on");
  if (typeof on !== "function") return;
  // Something else may have that name.
  try {
    Promise.resolve(Reflect.apply(on, value, ["close", forget])).catch(() => undefined);
  } catch {}
}

/** Names of an instance: of its own, and of its classes as far as they are no classes of the language. */
function namesOf(value: object): string[] {
  const names = new Set(Object.keys(value));
  let place: object | null = Object.getPrototypeOf(value);
  while (place && !isBuiltIn(place)) {
    for (const name of Object.getOwnPropertyNames(place)) names.add(name);
    place = Object.getPrototypeOf(place);
  }
  return [...names];
}

function isObject(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
