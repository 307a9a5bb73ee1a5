/** The kinds of fields that messages are made of: how each is written and read. */
import { DEEPEST_CAUSE, type ErrorParts, ProtocolError } from "./errors.ts";
import { MsgpackReader } from "./msgpack_reader.ts";
import type { MsgpackWriter } from "./msgpack_writer.ts";

export const LARGEST_BUFFER = 2 ** 40;
export const MOST_BUFFERS = 4096;

/** Values are msgpack that a session never looks into. */
export type Packed = Uint8Array;

export type Field<T> = {
  readonly write: (writer: MsgpackWriter, value: T) => void;
  readonly read: (reader: MsgpackReader) => T;
  /** What a message means that ends before this field; without it, such a message is refused. */
  readonly otherwise?: T;
};

export const whole: Field<number> = {
  write: (writer, value) => writer.integer(value),
  read: (reader) => {
    const value = reader.value(refuse);
    if (typeof value === "number" && Number.isInteger(value) && value >= 0) return value;
    throw new ProtocolError("A field is not a whole number.");
  },
};

/** Counts, and numbers of calls and buffers: they begin with 1. */
export const number: Field<number> = {
  write: whole.write,
  read: (reader) => {
    const value = whole.read(reader);
    if (value > 0) return value;
    throw new ProtocolError("A field is 0 that counts from 1.");
  },
};

export function atMost(field: Field<number>, limit: number): Field<number> {
  return {
    write: field.write,
    read: (reader) => {
      const value = field.read(reader);
      if (value <= limit) return value;
      throw new ProtocolError(`A field is larger than ${limit}.`);
    },
  };
}

export const flag: Field<boolean> = {
  write: (writer, value) => writer.boolean(value),
  read: (reader) => {
    const value = reader.value(refuse);
    if (typeof value === "boolean") return value;
    throw new ProtocolError("A field is neither true nor false.");
  },
};

export const text: Field<string> = {
  write: (writer, value) => writer.text(value),
  read: (reader) => {
    const value = reader.value(refuse);
    if (typeof value === "string") return value;
    throw new ProtocolError("A field is not a text.");
  },
};

export const float: Field<number> = {
  write: (writer, value) => writer.float(value),
  read: (reader) => {
    const value = reader.value(refuse);
    if (typeof value === "number") return value;
    throw new ProtocolError("A field is not a number.");
  },
};

/** What ends a call badly: `[type, message, traceback, cause?]`. */
export const error: Field<ErrorParts> = {
  write: (writer, [type, message, traceback, cause]) => {
    writer.list(cause ? 4 : 3);
    for (const part of [type, message, traceback]) writer.text(part);
    if (cause) error.write(writer, cause);
  },
  read: (reader) => errorIn(reader.value(refuse)),
};

/** What outside values claim to be an error. */
export function errorIn(value: unknown, depth = 0): ErrorParts {
  const parts: readonly unknown[] = Array.isArray(value) ? value : [];
  const [type, message, traceback = "", cause = null] = parts;
  if (typeof type !== "string" || typeof message !== "string" || typeof traceback !== "string") {
    throw new ProtocolError("An error is not [type, message, traceback, cause?].");
  }
  if (depth > DEEPEST_CAUSE) throw new ProtocolError("An error has too many causes.");
  if (cause === null) return [type, message, traceback];
  return [type, message, traceback, errorIn(cause, depth + 1)];
}

export const values: Field<Packed> = {
  write: (writer, value) => writer.raw(value),
  read: (reader) => reader.raw(1),
};

/** Sizes of the buffers that a message announces. */
export const sizes: Field<readonly number[]> = {
  write: (writer, value) => listOf(whole).write(writer, value),
  read: (reader) => {
    const all = listOf(whole).read(reader);
    if (all.length > MOST_BUFFERS) throw new ProtocolError("A message has too many buffers.");
    if (all.some((size) => size > LARGEST_BUFFER)) {
      throw new ProtocolError("A buffer is larger than 2^40 bytes.");
    }
    return all;
  },
  otherwise: [],
};

export function listOf<T>(field: Field<T>): Field<readonly T[]> {
  return {
    write: (writer, value) => {
      writer.list(value.length);
      for (const item of value) field.write(writer, item);
    },
    read: (reader) => {
      const length = reader.list();
      const items: T[] = [];
      for (let i = 0; i < length; i++) items.push(field.read(reader));
      return items;
    },
  };
}

export const pair: Field<readonly [number, number]> = {
  write: (writer, value) => listOf(whole).write(writer, value),
  read: (reader) => {
    const [first, second, ...rest] = listOf(number).read(reader);
    if (first !== undefined && second !== undefined && rest.length === 0) return [first, second];
    throw new ProtocolError("A pair does not have two numbers.");
  },
};

/** Always written as an empty map; whatever comes is ignored. */
export const nothingYet: Field<Readonly<Record<string, never>>> = {
  write: (writer) => writer.map(0),
  read: (reader) => {
    reader.raw(1);
    return {};
  },
  otherwise: {},
};

export function orNull<T>(field: Field<T>): Field<T | null> {
  return {
    write: (writer, value) => (value === null ? writer.nil() : field.write(writer, value)),
    read: (reader) => {
      const raw = reader.raw(1);
      return raw[0] === 0xc0 ? null : field.read(new MsgpackReader(raw));
    },
    otherwise: null,
  };
}

export function optional<T>(field: Field<T>, otherwise: T): Field<T> {
  return { ...field, otherwise };
}

function refuse(): never {
  throw new ProtocolError("A field is an extension.");
}
