/** Values on their way out: msgpack, buffers beside it, and references to what stays here. */
import { errorParts } from "./errors.ts";
import {
  ARRAY,
  BIG_INTEGER,
  BUFFERED_ARRAY,
  BUFFERED_BYTES,
  COMPLEX,
  ERROR,
  LAZY_ARRAY,
  MAP,
  OBJECT,
  PACKED,
  REGISTERED,
  YOURS,
} from "./extensions.ts";
import { LazyArray } from "./lazy_array.ts";
import { error, listOf, orNull, text, whole } from "./message_fields.ts";
import { DEEPEST } from "./msgpack_reader.ts";
import { MsgpackWriter } from "./msgpack_writer.ts";
import { isTypedArray, NdArray } from "./ndarray.ts";
import type { ObjectInfo } from "./object_info.ts";
import type { OutgoingBytes } from "./outbox.ts";
import { Complex, Given, isReference, type RegisteredType } from "./values.ts";

/** What is larger travels in a buffer: an array, bytes, and all that a value is made of otherwise. */
const LARGEST_INLINE = 64 << 10;

const [SMALLEST_INTEGER, LARGEST_INTEGER] = [-(2n ** 63n), 2n ** 64n - 1n];
/** They hold nothing that could be called from afar; to send them is a mistake, best heard of here. */
const REFUSED = ["Promise", "Date", "RegExp", "Set", "WeakMap", "WeakSet", "WeakRef", "DataView"];

/** Where references to objects of this side are counted. */
export type Sender = {
  /** The number that the other side gave to what is a remote of it here; null for anything else. */
  readonly home: (object: object) => number | null;
  /** Counts that an object of this side is sent, and describes it. */
  readonly send: (object: object) => ObjectInfo;
};

export class ValueWriter {
  readonly buffers: OutgoingBytes[] = [];
  /** The objects that were counted, to be taken back if the message is never sent. */
  readonly sent: number[] = [];
  readonly #sender: Sender;
  readonly #types: readonly RegisteredType[];

  constructor(sender: Sender, types: readonly RegisteredType[] = []) {
    this.#sender = sender;
    this.#types = types;
  }

  /** Throws a TypeError for what cannot be sent. */
  pack(value: unknown): Uint8Array<ArrayBuffer> {
    const packed = packedBy((writer) => this.#write(writer, value, 0));
    if (packed.length <= LARGEST_INLINE) return packed;
    const place = this.#beside(packed, true);
    return packedBy((writer) =>
      writer.extension(
        PACKED,
        packedBy((inner) => inner.integer(place)),
      ),
    );
  }

  /** `depth` counts the lists, maps and extensions around the value. */
  #write(writer: MsgpackWriter, value: unknown, depth: number): void {
    switch (typeof value) {
      case "undefined":
        writer.nil();
        break;
      case "boolean":
        writer.boolean(value);
        break;
      case "number":
        if (Number.isSafeInteger(value) && !Object.is(value, -0)) writer.integer(value);
        else writer.float(value);
        break;
      case "bigint":
        this.#bigint(writer, value, depth);
        break;
      case "string":
        writer.text(value);
        break;
      case "symbol":
        throw new TypeError("A symbol cannot be sent.");
      case "function":
        this.#reference(writer, value, depth);
        break;
      default:
        if (value) this.#object(writer, value, checked(depth));
        else writer.nil();
    }
  }

  #object(writer: MsgpackWriter, value: object, depth: number): void {
    if (Array.isArray(value)) {
      writer.list(value.length);
      for (const item of value) this.#write(writer, item, depth + 1);
    } else if (value instanceof NdArray) this.#array(writer, value, false);
    else if (value instanceof ArrayBuffer) this.#bytes(writer, value, false);
    else if (value instanceof Given) {
      if (value.value instanceof NdArray) this.#array(writer, value.value, true);
      else this.#bytes(writer, value.value, true);
    } else if (isTypedArray(value)) this.#array(writer, NdArray.of(value), false);
    else if (value instanceof Error) {
      extend(writer, ERROR, (inner) => error.write(inner, errorParts(value)));
    } else if (value instanceof Map) this.#map(writer, value, depth);
    else if (value instanceof Complex) {
      extend(writer, COMPLEX, (inner) => {
        inner.list(2);
        inner.float(value.re);
        inner.float(value.im);
      });
    } else if (value instanceof LazyArray) this.#lazy(writer, value, depth);
    else if (isReference(value) || this.#sender.home(value) !== null) {
      this.#reference(writer, value, depth);
    } else if (isPlain(value)) this.#plain(writer, value, depth);
    else this.#instance(writer, value, depth);
  }

  #plain(writer: MsgpackWriter, value: object, depth: number): void {
    // As in JSON, what is undefined is not there.
    const entries = Object.entries(value).filter(([, content]) => content !== undefined);
    writer.map(entries.length);
    for (const [key, content] of entries) {
      writer.text(key);
      this.#write(writer, content, depth + 1);
    }
  }

  #map(writer: MsgpackWriter, map: ReadonlyMap<unknown, unknown>, depth: number): void {
    extend(writer, MAP, (inner) => {
      inner.list(map.size);
      for (const [key, content] of map) {
        inner.list(2);
        this.#write(inner, key, depth + 3);
        this.#write(inner, content, depth + 3);
      }
    });
  }

  #instance(writer: MsgpackWriter, value: object, depth: number): void {
    const type = this.#types.find((registered) => value instanceof registered.type);
    const name = Object.prototype.toString.call(value).slice(8, -1);
    if (type) {
      extend(writer, REGISTERED, (inner) => {
        inner.list(2);
        inner.text(type.name);
        this.#write(inner, type.pack(value), depth + 2);
      });
    } else if (REFUSED.includes(name)) {
      const advice = name === "Promise" ? "await it first" : "send numbers, texts, lists or a Map";
      throw new TypeError(`A ${name} cannot be sent: ${advice}.`);
    } else this.#reference(writer, value, depth);
  }

  #bigint(writer: MsgpackWriter, value: bigint, depth: number): void {
    const number = Number(value);
    if (Number.isSafeInteger(number)) writer.integer(number);
    else if (value >= SMALLEST_INTEGER && value <= LARGEST_INTEGER) writer.big(value);
    else {
      checked(depth);
      extend(writer, BIG_INTEGER, (inner) => inner.text(String(value)));
    }
  }

  #array(writer: MsgpackWriter, { dtype, shape, bytes }: NdArray, given: boolean): void {
    const here = bytes.length <= LARGEST_INLINE;
    extend(writer, here ? ARRAY : BUFFERED_ARRAY, (inner) => {
      inner.list(3);
      inner.text(dtype);
      listOf(whole).write(inner, shape);
      if (here) inner.binary(bytes);
      else inner.integer(this.#beside(bytes, given));
    });
  }

  #bytes(writer: MsgpackWriter, value: ArrayBuffer, given: boolean): void {
    const bytes = new Uint8Array(value);
    if (bytes.length <= LARGEST_INLINE) writer.binary(bytes);
    else extend(writer, BUFFERED_BYTES, (inner) => inner.integer(this.#beside(bytes, given)));
  }

  #reference(writer: MsgpackWriter, object: object, depth: number): void {
    checked(depth);
    const home = this.#sender.home(object);
    if (home === null) this.#ownObject(writer, object);
    else extend(writer, YOURS, (inner) => inner.integer(home));
  }

  #ownObject(writer: MsgpackWriter, object: object): void {
    const info = this.#sender.send(object);
    this.sent.push(info.object);
    extend(writer, OBJECT, (inner) => {
      inner.list(5);
      inner.integer(info.object);
      inner.integer(info.kind);
      inner.text(info.name);
      orNull(text).write(inner, info.doc);
      orNull(listOf(text)).write(inner, info.methods);
    });
  }

  #lazy(writer: MsgpackWriter, { source, dtype, shape, chunks }: LazyArray, depth: number): void {
    // Its owner gets back what serves it.
    if (this.#sender.home(source) !== null) {
      this.#reference(writer, source, depth);
      return;
    }
    const { object } = this.#sender.send(source);
    this.sent.push(object);
    extend(writer, LAZY_ARRAY, (inner) => {
      inner.list(4);
      inner.integer(object);
      inner.text(dtype);
      listOf(whole).write(inner, shape);
      orNull(listOf(whole)).write(inner, chunks);
    });
  }

  #beside(bytes: Uint8Array, given: boolean): number {
    return this.buffers.push({ bytes, given }) - 1;
  }
}

function packedBy(write: (writer: MsgpackWriter) => void): Uint8Array<ArrayBuffer> {
  const writer = new MsgpackWriter();
  write(writer);
  return writer.finish();
}

function extend(writer: MsgpackWriter, type: number, write: (inner: MsgpackWriter) => void): void {
  writer.extension(type, packedBy(write));
}

/** The same number, if it is no deeper than a value may be. */
function checked(depth: number): number {
  if (depth < DEEPEST) return depth;
  throw new TypeError(`A value is nested more than ${DEEPEST} deep, or contains itself.`);
}

/** Made by `{…}`, in this window or another. */
function isPlain(value: object): boolean {
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}
