/** The messages of the RPC: the table of protocol/RPC.md, and its rows as headers of frames. Pure. */
import { ProtocolError } from "./errors.ts";
import { LARGEST_HEADER } from "./frames.ts";
import {
  atMost,
  error,
  type Field,
  flag,
  float,
  LARGEST_BUFFER,
  listOf,
  nothingYet,
  number,
  optional,
  orNull,
  pair,
  sizes,
  text,
  values,
  whole,
} from "./message_fields.ts";
import { MsgpackReader } from "./msgpack_reader.ts";
import { MsgpackWriter } from "./msgpack_writer.ts";

export const VERSION = 1;
/** Flags of a call. */
export const WANTS_STREAM = 1;
export const WANTS_PROGRESS = 2;
export const WANTS_NO_ANSWER = 4;

/** Items of a stream that may be asked for at once. */
const MOST_ITEMS = 1 << 16;

const NO_ARGUMENTS = Uint8Array.of(0x90);
const NO_KEYWORDS = Uint8Array.of(0x80);
const NULL = Uint8Array.of(0xc0);

/** The place of a row is the number of its message, the place of a field its place in the header. */
const TABLE = {
  hello: {
    version: whole,
    features: optional(listOf(text), []),
    token: orNull(text),
    limits: nothingYet,
  },
  call: {
    id: number,
    object: whole,
    method: text,
    args: optional(values, NO_ARGUMENTS),
    kwargs: optional(values, NO_KEYWORDS),
    buffers: sizes,
    flags: optional(whole, 0),
  },
  result: { id: number, value: optional(values, NULL), buffers: sizes },
  error: { id: number, error },
  cancel: { id: number },
  progress: { id: number, done: orNull(float), total: orNull(float), text: orNull(text) },
  item: { id: number, value: optional(values, NULL), buffers: sizes },
  more: { id: number, count: atMost(number, MOST_ITEMS) },
  piece: { buffer: number, last: optional(flag, false) },
  drain: { buffer: number, bytes: atMost(number, LARGEST_BUFFER) },
  release: { objects: optional(listOf(pair), []), segments: optional(listOf(whole), []) },
  ping: { n: whole },
  pong: { n: whole },
  bye: { reason: optional(text, "") },
};

type Table = typeof TABLE;
export type MessageType = keyof Table;
export type Message<T extends MessageType = MessageType> = {
  [K in T]: { readonly type: K } & {
    readonly [F in keyof Table[K]]: Table[K][F] extends Field<infer V> ? V : never;
  };
}[T];

type Row = {
  readonly name: MessageType;
  readonly fields: readonly (readonly [string, Field<unknown>])[];
};
const ROWS: readonly Row[] = Object.entries(TABLE).map(([name, fields]) => ({
  name: name as MessageType,
  fields: Object.entries(fields) as [string, Field<unknown>][],
}));
const NUMBERS = new Map(ROWS.map(({ name }, number) => [name, number]));

/** Throws a RangeError where the message does not fit a header. */
export function encodeMessage(message: Message): Uint8Array<ArrayBuffer> {
  const number = NUMBERS.get(message.type) ?? -1;
  const fields = ROWS[number]?.fields ?? [];
  const writer = new MsgpackWriter(LARGEST_HEADER);
  writer.list(1 + fields.length);
  writer.integer(number);
  const content = message as unknown as Readonly<Record<string, unknown>>;
  for (const [name, field] of fields) field.write(writer, content[name]);
  return writer.finish();
}

/** Returns null for a message of a later version, which is to be ignored. */
export function decodeMessage(header: Uint8Array): Message | null {
  const reader = new MsgpackReader(header);
  const length = reader.list();
  if (length === 0) throw new ProtocolError("A message is empty.");
  const row = ROWS[whole.read(reader)];
  const fields = row?.fields ?? [];
  const content: Record<string, unknown> = { type: row?.name };
  let left = length - 1;
  for (const [name, field] of fields) {
    if (left > 0) {
      content[name] = field.read(reader);
      left -= 1;
    } else if (field.otherwise !== undefined) content[name] = field.otherwise;
    else throw new ProtocolError(`A ${row?.name} message has no ${name}.`);
  }
  for (; left > 0; left--) reader.raw(1);
  reader.end();
  return row ? (content as unknown as Message) : null;
}
