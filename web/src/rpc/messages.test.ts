import { expect, test } from "vitest";
import { fixture } from "../../tests/viewer/fixture.ts";
import { ProtocolError } from "./errors.ts";
import { decodeFrame, encodeFrame } from "./frames.ts";
import { decodeMessage, encodeMessage, type Message } from "./messages.ts";

type Case = { readonly name: string; readonly header: string };
type Messages = {
  readonly messages: readonly (Case & {
    readonly message: Message;
    readonly payload: string;
    readonly prefix: string;
  })[];
  readonly short: readonly (Case & { readonly message: Message })[];
  readonly unknown: readonly Case[];
  readonly invalid: readonly Case[];
  readonly invalid_prefixes: readonly { readonly name: string; readonly prefix: string }[];
};
const { messages, short, unknown, invalid, invalid_prefixes } = fixture<Messages>("rpc_messages");

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array) => Buffer.from(data).toString("hex");
const PACKED = ["args", "kwargs", "value"];

/** The same with packed values as bytes, or as the fixtures write them. */
function convert(message: object, change: (packed: never) => unknown): Message {
  const fields = Object.entries(message).map(([name, field]) => [
    name,
    PACKED.includes(name) ? change(field as never) : field,
  ]);
  return Object.fromEntries(fields) as Message;
}

test.each(messages)("$name is made and read as in Python", (written) => {
  const header = encodeMessage(convert(written.message, bytes));
  expect(hex(header)).toBe(written.header);
  const read = decodeMessage(header);
  expect(read && convert(read, hex)).toEqual(written.message);
  const payload = written.payload ? bytes(written.payload) : null;
  const frame = encodeFrame({ header, payload });
  expect(hex(frame)).toBe(written.prefix + written.header + written.payload);
  expect(decodeFrame(frame)).toEqual({ header, payload });
});

test.each(short)("elements at the end may be missing or new: $name", ({ header, message }) => {
  const read = decodeMessage(bytes(header));
  expect(read && convert(read, hex)).toEqual(message);
});

test.each(unknown)("ignored: $name", ({ header }) => {
  expect(decodeMessage(bytes(header))).toBeNull();
});

test.each(invalid)("refused: $name", ({ header }) => {
  expect(() => decodeMessage(bytes(header))).toThrow(ProtocolError);
});

test.each(invalid_prefixes)("a frame with this prefix is refused: $name", ({ prefix }) => {
  expect(() => decodeFrame(bytes(prefix))).toThrow(ProtocolError);
});
