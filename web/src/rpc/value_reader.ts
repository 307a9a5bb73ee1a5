/** Values on their way in. Whatever the bytes are, it throws nothing but a ProtocolError. */
import { errorFrom, ProtocolError } from "./errors.ts";
import * as extension from "./extensions.ts";
import { LazyArray } from "./lazy_array.ts";
import { errorIn } from "./message_fields.ts";
import { MsgpackReader } from "./msgpack_reader.ts";
import { NdArray } from "./ndarray.ts";
import type { ObjectInfo } from "./object_info.ts";
import { Complex, type RegisteredType } from "./values.ts";

export type Receiver = {
  /** A remote for an object of the other side. Counted. */
  readonly receive: (info: ObjectInfo) => object;
  /** This side's object of that number; a ProtocolError if there is none. */
  readonly home: (object: number) => object;
};

const LONGEST_INTEGER = 4096;
const INTEGER = /^-?[0-9]+$/;

export class ValueReader {
  readonly #receiver: Receiver;
  readonly #types: readonly RegisteredType[];
  #buffers: (ArrayBuffer | null)[] = [];

  constructor(receiver: Receiver, types: readonly RegisteredType[] = []) {
    this.#receiver = receiver;
    this.#types = types;
  }

  /** The values of one message. */
  unpack(packed: readonly Uint8Array[], buffers: readonly ArrayBuffer[]): unknown[] {
    this.#buffers = [...buffers];
    try {
      return packed.map((value) => this.#value(value, 0));
    } finally {
      this.#buffers = [];
    }
  }

  #value(bytes: Uint8Array, depth: number): unknown {
    const reader = new MsgpackReader(bytes);
    const value = reader.value((type, data, inside) => this.#extension(type, data, inside), depth);
    reader.end();
    return value;
  }

  #extension(type: number, data: Uint8Array, depth: number): unknown {
    switch (type) {
      case extension.MAP:
        return this.#map(this.#value(data, depth));
      case extension.REGISTERED:
        return this.#registered(this.#value(data, depth));
      case extension.PACKED:
        return this.#value(new Uint8Array(this.#buffer(plain(data))), depth);
      case extension.BUFFERED_BYTES:
        return this.#buffer(plain(data));
      case extension.ARRAY:
      case extension.BUFFERED_ARRAY:
        return this.#array(plain(data));
      case extension.OBJECT:
        return this.#object(plain(data));
      case extension.YOURS:
        return this.#receiver.home(whole(plain(data)));
      case extension.ERROR:
        return errorFrom(errorIn(plain(data)));
      case extension.LAZY_ARRAY:
        return this.#lazy(plain(data));
      case extension.BIG_INTEGER:
        return integer(plain(data));
      case extension.COMPLEX:
        return complex(plain(data));
      case extension.SHARED_ARRAY:
        throw new ProtocolError("Shared memory cannot be reached from JavaScript.");
      default:
        throw new ProtocolError(`A value has the unknown extension type ${type}.`);
    }
  }

  #map(pairs: unknown): Map<unknown, unknown> {
    const map = new Map<unknown, unknown>();
    for (const entry of list(pairs)) {
      const [key, value, ...rest] = list(entry);
      if (value === undefined || rest.length > 0) throw new ProtocolError("A map is malformed.");
      map.set(key, value);
    }
    return map;
  }

  #registered(value: unknown): unknown {
    const [name, content] = list(value);
    const type = this.#types.find((registered) => registered.name === name);
    if (!type)
      throw new ProtocolError(`Nothing is registered here as ${String(name).slice(0, 80)}.`);
    try {
      return type.unpack(content);
    } catch (error) {
      throw new ProtocolError(`What came is no ${type.name}.`, { cause: error });
    }
  }

  /** Each buffer belongs to one value only. */
  #buffer(place: unknown): ArrayBuffer {
    const buffer = this.#buffers[whole(place)];
    if (!buffer) throw new ProtocolError("A value names a buffer that is not there.");
    this.#buffers[whole(place)] = null;
    return buffer;
  }

  #array(value: unknown): NdArray {
    const [dtype, shape, content] = list(value);
    const buffer = content instanceof ArrayBuffer ? content : this.#buffer(content);
    try {
      return NdArray.over(text(dtype), list(shape).map(whole), buffer);
    } catch (error) {
      if (error instanceof ProtocolError) throw error;
      throw new ProtocolError(error instanceof Error ? error.message : String(error));
    }
  }

  #object(value: unknown): object {
    const [object, kind, name, doc = null, methods = null] = list(value);
    const info = {
      object: whole(object),
      kind: whole(kind),
      name: text(name),
      doc: doc === null ? null : text(doc),
      methods: methods === null ? null : list(methods).map(text),
    };
    if (info.object === 0 || info.kind > extension.ITERABLE) {
      throw new ProtocolError("An object has an impossible number or kind.");
    }
    return this.#receiver.receive(info);
  }

  #lazy(value: unknown): LazyArray {
    const [number, name, sides, grid = null] = list(value);
    const [object, dtype, shape] = [whole(number), text(name), list(sides).map(whole)];
    const chunks = grid === null ? null : list(grid).map(whole);
    if (object === 0 || (chunks && (chunks.length !== shape.length || chunks.includes(0)))) {
      throw new ProtocolError("A lazy array has an impossible number or impossible chunks.");
    }
    const info = { object, kind: extension.THING, name: "lazy array", doc: null, methods: null };
    return new LazyArray(this.#receiver.receive(info), dtype, shape, chunks);
  }
}

/** Within most extensions there is nothing but msgpack's own types. */
function plain(data: Uint8Array): unknown {
  const reader = new MsgpackReader(data);
  const value = reader.value(() => {
    throw new ProtocolError("An extension stands where none belongs.");
  });
  reader.end();
  return value;
}

function integer(value: unknown): bigint {
  const digits = text(value);
  if (digits.length > LONGEST_INTEGER || !INTEGER.test(digits)) {
    throw new ProtocolError("A long integer is malformed.");
  }
  return BigInt(digits);
}

function complex(value: unknown): Complex {
  const [re, im] = list(value);
  if (typeof re === "number" && typeof im === "number") return new Complex(re, im);
  throw new ProtocolError("A complex number is malformed.");
}

function list(value: unknown): readonly unknown[] {
  if (Array.isArray(value)) return value;
  throw new ProtocolError("A value is not the list that belongs there.");
}

function text(value: unknown): string {
  if (typeof value === "string") return value;
  throw new ProtocolError("A value is not the text that belongs there.");
}

function whole(value: unknown): number {
  if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
  throw new ProtocolError("A value is not the whole number that belongs there.");
}
