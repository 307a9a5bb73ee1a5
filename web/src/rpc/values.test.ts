import { expect, test } from "vitest";
import { fixture } from "../../tests/viewer/fixture.ts";
import { random, whole } from "../../tests/viewer/random.ts";
import { errorFrom, ProtocolError, RemoteError, remoteTraceback } from "./errors.ts";
import { describe as info } from "./exposed.ts";
import { LazyArray } from "./lazy_array.ts";
import { NdArray, type TypedArray } from "./ndarray.ts";
import type { ObjectInfo } from "./object_info.ts";
import { ValueReader } from "./value_reader.ts";
import { ValueWriter } from "./value_writer.ts";
import { Complex, type RegisteredType, reference, transfer } from "./values.ts";

class Point {
  readonly x: number;
  constructor(x: number) {
    this.x = x;
  }
}
const POINT: RegisteredType<Point> = {
  name: "point",
  type: Point,
  pack: ({ x }) => ({ x }),
  unpack: (value) => new Point((value as { x: number }).x),
};
const types = [POINT as RegisteredType];

/** Packs, moves buffers over as a transport would, unpacks. */
function travel(value: unknown) {
  const objects: object[] = [];
  const writer = new ValueWriter(
    { home: () => null, send: (object) => info(objects.push(object), object) },
    types,
  );
  const packed = writer.pack(value);
  const reader = new ValueReader(
    { receive: (received) => received, home: (id) => objects[id] ?? {} },
    types,
  );
  const buffers = writer.buffers.map(({ bytes }) => bytes.slice().buffer);
  return { value: reader.unpack([packed], buffers)[0], packed, buffers, objects };
}

test.each<[string, unknown]>([
  ["null", null],
  ["booleans", [true, false]],
  ["numbers", [0, -1, 1.5, -0, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 53 - 1, 1e300]],
  ["bigints", [2n ** 53n, -(2n ** 63n), 2n ** 64n, -(10n ** 40n)]],
  ["texts", ["", "ä", "x".repeat(300)]],
  ["a map", { a: 1, ä: { b: [] }, "1": 2 }],
  [
    "a map with any keys",
    new Map<unknown, unknown>([
      [1, "a"],
      ["b", new Map([[null, 2n ** 70n]])],
    ]),
  ],
  ["bytes", Uint8Array.of(1, 2, 3).buffer],
  ["many bytes", new Uint8Array(70_000).fill(3).buffer],
  ["a complex number", new Complex(1, -2.5)],
  ["something registered", [new Point(3)]],
  ["a value too long for a header", Array.from({ length: 50_000 }, (_, i) => i * 1.5)],
  ["a text too long for a header", "ä".repeat(1 << 20)],
])("%s arrives as it was sent", (_, value) => {
  expect(travel(value).value).toEqual(value);
});

test("small bigints arrive as numbers, what is undefined as nothing", () => {
  expect(travel([5n, undefined, { a: undefined }]).value).toEqual([5, null, {}]);
});

const ARRAYS: readonly [string, TypedArray][] = [
  ["bool", Uint8Array.of(0, 1)],
  ["int8", Int8Array.of(-1, 2)],
  ["uint8", Uint8Array.of(1, 255)],
  ["int16", Int16Array.of(-300, 2)],
  ["uint16", Uint16Array.of(1, 65535)],
  ["int32", Int32Array.of(-1, 2)],
  ["uint32", Uint32Array.of(1, 2 ** 32 - 1)],
  ["int64", BigInt64Array.of(-1n, 2n)],
  ["uint64", BigUint64Array.of(1n, 2n ** 64n - 1n)],
  ["float16", Uint16Array.of(0x3c00, 0x4000)],
  ["float32", Float32Array.of(1.5, Number.NaN)],
  ["float64", Float64Array.of(1.5, -0)],
  ["complex64", Float32Array.of(1, 2, 3, 4)],
  ["complex128", Float64Array.of(1, 2, 3, 4)],
  ["datetime64[ns]", BigInt64Array.of(-1n, 2n)],
  ["timedelta64[25s]", BigInt64Array.of(-1n, 2n)],
];

test.each(ARRAYS)("an array of %s, small and large, with every shape", (dtype, data) => {
  for (const shape of [[2], [2, 1], [1, 2, 1]]) {
    const array = new NdArray(dtype, shape, data);
    expect(travel([array]).value).toEqual([array]);
  }
  const Type = data.constructor as new (length: number) => TypedArray;
  const parts = dtype.startsWith("complex") ? 2 : 1;
  const empty = new NdArray(dtype, [3, 0], new Type(0));
  expect(travel(empty).value).toEqual(empty);
  const large = new NdArray(dtype, [300, 300], new Type(90_000 * parts));
  const { value, packed, buffers } = travel({ large });
  expect(value).toEqual({ large });
  expect(packed.length).toBeLessThan(100);
  expect(buffers).toHaveLength(1);
});

test("typed arrays are arrays, and views send only what they show", () => {
  const all = Float32Array.of(1, 2, 3, 4);
  expect(travel(all.subarray(1, 3)).value).toEqual(NdArray.of(Float32Array.of(2, 3)));
  const pixels = travel(Uint8ClampedArray.of(1, 2)).value;
  expect(pixels).toEqual(NdArray.of(Uint8Array.of(1, 2)));
});

test("a shape must fit its data, a dtype its type", () => {
  expect(() => NdArray.of(Uint8Array.of(1, 2), [3])).toThrow(RangeError);
  expect(() => new NdArray("uint16", [2], Uint8Array.of(1, 2))).toThrow(TypeError);
  expect(() => new NdArray("object", [2], Uint8Array.of(1, 2))).toThrow(TypeError);
});

test("memory that is given away is marked, at any depth", () => {
  const writer = new ValueWriter({ home: () => null, send: (object) => info(1, object) });
  const array = new Float64Array(10_000);
  writer.pack([
    { array: transfer(array) },
    transfer(new ArrayBuffer(70_000)),
    new Uint8Array(70_000),
  ]);
  expect(writer.buffers.map(({ given }) => given)).toEqual([true, true, false]);
});

test("errors keep type, traceback and cause", () => {
  const cause = new RemoteError("KeyError", "'x'");
  const { value } = travel(new TypeError("wrong", { cause }));
  expect(value).toBeInstanceOf(TypeError);
  expect(value).toMatchObject({ message: "wrong", cause: { name: "KeyError", message: "'x'" } });
  expect(remoteTraceback(value)).toContain("values.test.ts");
});

test("functions, instances, iterables and what is marked go by reference, at any depth", () => {
  class Store {
    get size() {
      throw new Error("A getter was run.");
    }
    add() {}
    _hidden() {}
  }
  async function* count() {
    yield 1;
  }
  const sent = [() => 1, { inside: new Store() }, count(), reference({ a: 1, run() {} })];
  const { value, objects } = travel(sent);
  expect(objects).toHaveLength(4);
  const kinds = (value as ObjectInfo[]).map((one) => ("inside" in one ? one["inside"] : one));
  expect(kinds).toMatchObject([
    { object: 1, kind: 0 },
    { object: 2, kind: 1, name: "Store", methods: ["add"] },
    { object: 3, kind: 2 },
    { object: 4, kind: 1, methods: ["run"] },
  ]);
});

test.each<[string, unknown, RegExp]>([
  ["a promise", Promise.resolve(1), /await/],
  ["a date", new Date(), /Date/],
  ["a set", new Set(), /Set/],
  ["a symbol", Symbol("a"), /symbol/],
  ["half a letter", "\ud800", /surrogate/],
])("%s is refused with a TypeError that says so", (_, value, words) => {
  expect(() => travel([value])).toThrow(TypeError);
  expect(() => travel({ value })).toThrow(words);
});

test("what contains itself is refused", () => {
  const loop: unknown[] = [];
  loop.push(loop);
  expect(() => travel(loop)).toThrow(/contains itself/);
});

test("what was sent at the greatest depth can be read", () => {
  let value: unknown = 1;
  for (let i = 0; i < 64; i++) value = i % 2 ? [value] : { a: value };
  expect(travel(value).value).toEqual(value);
  expect(() => travel([value])).toThrow(TypeError);
});

test("an array in shared memory, an unknown extension, a lie about a size: a ProtocolError", () => {
  const reader = new ValueReader({ receive: (received) => received, home: () => ({}) });
  for (const hex of [
    "c70393c0c0c0", // shared
    "d40e00", // unknown
    "d40400", // a buffer that did not come
    "c70d0193a575696e74389102c40101", // two numbers in one byte
    "c7130193a6666c6f61743332920181c0c40400000000", // a shape of no numbers
    "c70c0193a46e6f6e659100c40000", // no dtype
    "d40b00", // an integer that is not one
    "c7050993a1610000", // nothing registered
  ]) {
    const bytes = Uint8Array.from(Buffer.from(hex, "hex"));
    expect(() => reader.unpack([bytes], [])).toThrow(ProtocolError);
  }
});

test("damaged values are read, or refused with a ProtocolError", () => {
  const next = random(11);
  const reader = new ValueReader(
    {
      receive: (received) => received,
      home: (id) => {
        if (id === 1) return {};
        throw new ProtocolError("No such object.");
      },
    },
    types,
  );
  const sent = travel([
    { a: [1, "x", 2n ** 70n, new Complex(1, 2)], f: () => 1 },
    new Map([[1, new Error("e", { cause: new Error("c") })]]),
    NdArray.of(Float32Array.of(1, 2, 3, 4), [2, 2]),
    new Uint16Array(40_000),
    new ArrayBuffer(66_000),
    new Point(1),
  ]);
  for (let i = 0; i < 20_000; i++) {
    const damaged = sent.packed.slice(0, whole(next, 1, sent.packed.length));
    for (let n = whole(next, 0, 4); n > 0; n--) {
      damaged[whole(next, 0, damaged.length - 1)] = whole(next, 0, 255);
    }
    try {
      reader.unpack([damaged], sent.buffers);
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  }
});

// --- protocol/fixtures/rpc_values.json

type Long = string | { readonly head?: string; readonly repeat: string; readonly times: number };
type Values = {
  readonly values: readonly {
    readonly name: string;
    readonly value: unknown;
    readonly packed: Long;
    readonly buffers: readonly Long[];
  }[];
  readonly invalid: readonly {
    readonly name: string;
    readonly packed: Long;
    readonly buffers: readonly Long[];
  }[];
};
const VALUES = fixture<Values>("rpc_values");

/** Somebody's object, whose description is what it is. */
class Described {
  readonly info: ObjectInfo;
  constructor(info: ObjectInfo) {
    this.info = info;
  }
}
class Yours {
  readonly object: number;
  constructor(object: number) {
    this.object = object;
  }
}
class FixturePoint {
  readonly xy: unknown;
  constructor(xy: unknown) {
    this.xy = xy;
  }
}
const FIXTURE_POINT: RegisteredType<FixturePoint> = {
  name: "fixture.Point",
  type: FixturePoint,
  pack: ({ xy }) => xy,
  unpack: (value) => new FixturePoint(value),
};

function data(long: Long): Uint8Array<ArrayBuffer> {
  if (typeof long === "string") return Uint8Array.from(Buffer.from(long, "hex"));
  const { head = "", repeat, times } = long;
  return Uint8Array.from(Buffer.from(head + repeat.repeat(times), "hex"));
}

type Info = [number, number, string, string | null, string[] | null];

/** The value that is written down as `written`. */
// biome-ignore lint/suspicious/noExplicitAny: notes of every kind
function read(written: any): unknown {
  if (Array.isArray(written)) return written.map(read);
  if (typeof written !== "object" || written === null) return written;
  const described = ([object, kind, name, doc, methods]: Info) =>
    new Described({ object, kind, name, doc, methods });
  switch (written.$) {
    case undefined:
      return Object.fromEntries(Object.entries(written).map(([key, one]) => [key, read(one)]));
    case "integer":
      return BigInt(written.text);
    case "float":
      return Number(written.text.replace("inf", "Infinity"));
    case "text":
      return written.repeat.repeat(written.times);
    case "bytes":
      return data(written.data).buffer;
    case "array":
      return NdArray.over(written.dtype, written.shape, data(written.data).buffer);
    case "complex":
      return new Complex(read(written.re) as number, read(written.im) as number);
    case "map":
      return new Map(written.pairs.map(read));
    case "error":
      return errorFrom(written.parts);
    case "object":
      return described(written.info);
    case "yours":
      return new Yours(written.object);
    case "registered":
      return new FixturePoint(read(written.value));
    default: {
      const source = described([written.object, 1, "lazy array", null, null]);
      return new LazyArray(source, written.dtype, written.shape, written.chunks);
    }
  }
}

const fixtureReader = () =>
  new ValueReader(
    {
      receive: (received) => new Described(received),
      home: (object) => {
        if (object > 100) throw new ProtocolError("There is no such object.");
        return new Yours(object);
      },
    },
    [FIXTURE_POINT as RegisteredType],
  );

test.each(VALUES.values)("$name is packed and unpacked as in Python", (written) => {
  const value = read(written.value);
  const writer = new ValueWriter(
    {
      home: (object) => (object instanceof Yours ? object.object : null),
      send: (object) => (object as Described).info,
    },
    [FIXTURE_POINT as RegisteredType],
  );
  expect(Buffer.from(writer.pack(value)).equals(data(written.packed))).toBe(true);
  expect(writer.buffers.map(({ bytes }) => Buffer.from(bytes).toString("hex"))).toEqual(
    written.buffers.map((long) => Buffer.from(data(long)).toString("hex")),
  );
  const buffers = written.buffers.map((long) => data(long).buffer);
  const [found] = fixtureReader().unpack([data(written.packed)], buffers);
  expect(found).toEqual(value);
});

test.each(VALUES.invalid)("refused as in Python: $name", ({ packed, buffers }) => {
  const unpack = () =>
    fixtureReader().unpack(
      [data(packed)],
      buffers.map((long) => data(long).buffer),
    );
  expect(unpack).toThrow(ProtocolError);
});
