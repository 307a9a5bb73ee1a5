import { expect, test } from "vitest";
import { fixture } from "../../../tests/viewer/fixture.ts";
import { random, whole } from "../../../tests/viewer/random.ts";
import { encodeFrame, type Header, ProtocolError } from "./frames.ts";
import { parseServerFrame } from "./server_messages.ts";

type Sent = { readonly name: string; readonly header: Header; readonly payload: string };
const sent = new Map(fixture<{ frames: Sent[] }>("frames").frames.map((one) => [one.name, one]));
const parse = (header: Header, payload: Uint8Array = new Uint8Array(0)) =>
  parseServerFrame(encodeFrame(header, payload));

function known(name: string) {
  const { header, payload } = sent.get(name) ?? { header: { type: "" }, payload: "" };
  return { header, payload: Uint8Array.from(Buffer.from(payload, "hex")) };
}

test("the messages of a server are understood", () => {
  for (const name of [
    "scene",
    "brick",
    "brick without a range",
    "failed",
    "stats",
    "requests",
    "notice",
    "scene of points",
    "sample",
    "points",
    "picked",
    "failed cell of points",
  ]) {
    const { header, payload } = known(name);
    expect(parse(header, payload)?.type).toBe(header.type);
  }
  const { header, payload } = known("brick");
  expect(parse(header, payload)).toMatchObject({ key: [0, 1, [4], 0, 0], shape: [2, 3] });
  expect(parse(known("stats").header)).toMatchObject({ bytesRead: 9007199254740991, planMs: 0.75 });
});

test("points and what is to be shown of them are understood", () => {
  const { header, payload } = known("points");
  expect(parse(header, payload)).toMatchObject({ key: [2, 3, [17]], first: 4096, count: 2 });
  expect(() => parse(header, payload.subarray(8))).toThrow(ProtocolError);
  expect(() => parse({ ...header, key: [2, 3, [1], 0, 0] }, payload)).toThrow("not one of points");
  expect(parse(known("sample").header)).toMatchObject({
    samples: [
      { layer: 2, slab: { t: [3.75, 6.25] }, cells: [{ key: [2, 3, [0]], stop: 0.125 }, {}] },
    ],
  });
  expect(parse(known("scene of points").header)).toMatchObject({
    layers: [
      {
        points: { count: 1e12, properties: [{ name: "area" }, { name: "kind", categories: 3 }] },
        defaults: { colourBy: "area", sizeBy: "kind", thickness: { t: 2.5 } },
      },
    ],
  });
  const brick = known("brick");
  expect(() => parse({ ...brick.header, key: [2, 3, [17]] }, brick.payload)).toThrow("of points");
});

test("levels that only volumes have are kept apart", () => {
  const header: Record<string, unknown> = known("scene").header;
  const [layer] = header["layers"] as { readonly levels: readonly unknown[] }[];
  const deeper = layer?.levels.slice(0, 1);
  const parsed = parse({ ...header, type: "scene", layers: [{ ...layer, deeper }] });
  expect(parsed).toMatchObject({ layers: [{ levels: layer?.levels, deeper }] });
  expect(parse(known("scene").header)).not.toHaveProperty("layers.0.deeper");
  const wrong = [{ ...layer, deeper: [{ shape: [1] }] }];
  expect(() => parse({ ...header, type: "scene", layers: wrong })).toThrow(ProtocolError);
});

test("what is not known is ignored", () => {
  expect(parse({ type: "thumbnail" })).toBeNull();
  expect(parse({ ...known("notice").header, colour: "red" })).toMatchObject({ severity: "info" });
});

test("a payload that lies about its length is refused", () => {
  const { header, payload } = known("brick");
  expect(() => parse(header, payload.subarray(1))).toThrow(ProtocolError);
  expect(() => parse({ ...header, shape: [0, 3] }, payload)).toThrow(ProtocolError);
  expect(() => parse({ ...header, shape: [2, 513] }, payload)).toThrow(ProtocolError);
});

test("any field of the wrong type is refused, and nothing else is thrown", () => {
  const next = random(3);
  const junk = [null, -1, 1.5, "x", [], {}, true, [[]], [null], Number.MAX_VALUE];
  const points = ["scene of points", "sample", "points", "picked", "failed cell of points"];
  for (const name of ["scene", "brick", "failed", "stats", "notice", ...points]) {
    const { header, payload } = known(name);
    for (let i = 0; i < 500; i++) {
      const damaged = structuredClone(header) as Record<string, unknown>;
      damage(damaged, next, junk);
      try {
        parse({ ...damaged, type: header.type }, payload);
      } catch (error) {
        expect(error).toBeInstanceOf(ProtocolError);
      }
    }
  }
  expect(() => parse({ ...known("stats").header, settled: 1 })).toThrow("`settled`");
});

/** Replace one value, somewhere. */
function damage(value: object, next: () => number, junk: readonly unknown[]): void {
  const fields = value as Record<string, unknown>;
  const names = Object.keys(fields);
  const name = names[whole(next, 0, names.length - 1)];
  if (name === undefined) return;
  const inner = fields[name];
  if (typeof inner === "object" && inner !== null && next() < 0.7) damage(inner, next, junk);
  else fields[name] = junk[whole(next, 0, junk.length - 1)];
}
