import { expect, test } from "vitest";
import { random, whole } from "../../tests/viewer/random.ts";
import { ProtocolError } from "./errors.ts";
import { DEEPEST, MsgpackReader } from "./msgpack_reader.ts";
import { MsgpackWriter } from "./msgpack_writer.ts";

const refuse = () => {
  throw new ProtocolError("An extension.");
};

function read(bytes: Uint8Array): unknown {
  const reader = new MsgpackReader(bytes);
  const value = reader.value(refuse);
  reader.end();
  return value;
}

function written(write: (writer: MsgpackWriter) => void): string {
  const writer = new MsgpackWriter();
  write(writer);
  return Buffer.from(writer.finish()).toString("hex");
}

const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));

test.each([
  [0, "00"],
  [127, "7f"],
  [128, "cc80"],
  [255, "ccff"],
  [256, "cd0100"],
  [65535, "cdffff"],
  [65536, "ce00010000"],
  [4294967295, "ceffffffff"],
  [4294967296, "cf0000000100000000"],
  [Number.MAX_SAFE_INTEGER, "cf001fffffffffffff"],
  [-1, "ff"],
  [-32, "e0"],
  [-33, "d0df"],
  [-129, "d1ff7f"],
  [-32769, "d2ffff7fff"],
  [-2147483649, "d3ffffffff7fffffff"],
])("%d takes the fewest bytes", (number, hex) => {
  expect(written((writer) => writer.integer(number))).toBe(hex);
  expect(read(bytes(hex))).toBe(number);
});

test("integers beyond 53 bits stay exact", () => {
  for (const big of [2n ** 53n, 2n ** 64n - 1n, -(2n ** 63n)]) {
    expect(read(bytes(written((writer) => writer.big(big))))).toBe(big);
  }
});

test.each([0, 1, 23, 24, 31, 32, 255, 256, 65535, 65536])("texts and lists of %d", (length) => {
  const text = "é".repeat(length);
  expect(read(bytes(written((writer) => writer.text(text))))).toBe(text);
  const list = Array.from({ length }, (_, i) => i % 2);
  const hex = written((writer) => {
    writer.list(length);
    for (const item of list) writer.integer(item);
  });
  expect(read(bytes(hex))).toEqual(list);
  const data = Uint8Array.from(list);
  expect(read(bytes(written((writer) => writer.binary(data))))).toEqual(data.buffer);
});

test("a key that would change what a map is, is a key like others", () => {
  const map = read(bytes("81a95f5f70726f746f5f5f81a16101")) as Record<string, unknown>;
  expect(Object.getPrototypeOf(map)).toBe(Object.prototype);
  expect(Object.keys(map)).toEqual(["__proto__"]);
});

test("a byte order mark is a letter", () => {
  expect(read(bytes(written((writer) => writer.text("\ufeffa"))))).toBe("\ufeffa");
});

test("half a surrogate pair is not sent", () => {
  expect(() => new MsgpackWriter().text("\ud800")).toThrow(TypeError);
});

test("a writer keeps to its limit", () => {
  const writer = new MsgpackWriter(1000);
  expect(() => writer.binary(new Uint8Array(1000))).toThrow(RangeError);
});

test.each([
  ["nothing", ""],
  ["cut off", "cd01"],
  ["unused", "c1"],
  ["a list that claims four billion items", "ddffffffff"],
  ["a map that claims four billion pairs", "dfffffffff"],
  ["a text that claims four GiB", "dbffffffff"],
  ["a number as key", "810102"],
  ["no UTF-8", "a2c328"],
  ["no UTF-8, long", `d920${"c3".repeat(32)}`],
  ["something after it", "0000"],
  ["too deep", "91".repeat(DEEPEST + 1)],
])("refused: %s", (_, hex) => {
  expect(() => read(bytes(hex))).toThrow(ProtocolError);
});

test("any bytes are read, or refused with a ProtocolError", () => {
  const next = random(7);
  for (let i = 0; i < 20_000; i++) {
    const noise = Uint8Array.from({ length: whole(next, 0, 40) }, () => whole(next, 0, 255));
    try {
      new MsgpackReader(noise).value(() => null);
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  }
});
