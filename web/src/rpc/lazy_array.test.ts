import { readFileSync } from "node:fs";
import { afterEach, expect, test } from "vitest";
import { ProtocolError } from "./errors.ts";
import { LazyArray, type LazyOptions, lazyArray } from "./lazy_array.ts";
import { NdArray } from "./ndarray.ts";
import { Peer } from "./peer.ts";
import { checkRegions, type Part, type Region, regionOf, shapeOf } from "./regions.ts";
import { memoryLink } from "./transports/memory.ts";

const open: Peer[] = [];
afterEach(() => {
  for (const peer of open.splice(0)) peer.close();
});

interface Service {
  image(): LazyArray;
  take(array: LazyArray): boolean;
  corner(array: LazyArray): NdArray;
}

/** A peer whose other side offers `array`. */
function offered(array: LazyArray) {
  const service = {
    image: () => array,
    take: (one: LazyArray) => one === array,
    corner: (one: LazyArray) => one.read([0, 0]),
  };
  const [one, other] = memoryLink();
  const [peer, far] = [new Peer(one), new Peer(other, { service })];
  open.push(peer, far);
  return { peer, far, root: peer.root<Service>() };
}

const counted = (shape: number[], read?: LazyOptions["read"]) => {
  const asked: Region[] = [];
  const content = (region: Region) => {
    asked.push(region);
    const part = new Uint16Array(shapeOf(region).reduce((n, side) => n * side, 1));
    const [[z = 0] = [], [y = 0] = [], [x = 0] = []] = region;
    return NdArray.of(part.fill(z * 100 + y * 10 + x), shapeOf(region));
  };
  return { asked, array: lazyArray({ dtype: "uint16", shape, read: read ?? content }) };
};

const fixtures = JSON.parse(
  readFileSync(new URL("../../../protocol/fixtures/rpc_regions.json", import.meta.url), "utf8"),
) as {
  regions: { index: Part[]; shape: number[]; region: Region; gives: number[] }[];
  invalid: { index: Part[]; shape: number[] }[];
};

test.each(fixtures.regions)("$index of $shape is $region", ({ index, shape, region, gives }) => {
  expect(regionOf(index, shape)).toEqual({ region, shape: gives });
});

test.each(fixtures.invalid)("$index of $shape is refused", ({ index, shape }) => {
  expect(() => regionOf(index, shape)).toThrow(RangeError);
});

test.each([[[[0, 5, 0]]], [[[0, 5, -1]]], [[[0.5, 5, 1]]], [[[null, null, 1]]]])(
  "steps and places that are none: %j",
  (part) => {
    expect(() => checkRegions([part], [5], 1)).toThrow(ProtocolError);
  },
);

test("parts are read over a link, one or several in a call", async () => {
  const { array, asked } = counted([3, 4, 5]);
  const { root, peer, far } = offered(array);
  const image = await root.image();
  expect(image).toBeInstanceOf(LazyArray);
  expect([image.dtype, image.shape, image.chunks]).toEqual(["uint16", [3, 4, 5], null]);
  const part = await image.read([2, [1, 4, 2]]);
  expect([part.dtype, part.shape, part.data[0]]).toEqual(["uint16", [2, 5], 210]);
  expect(asked).toEqual([
    [
      [2, 3, 1],
      [1, 4, 2],
      [0, 5, 1],
    ],
  ]);
  const parts = await image.readMany([[], [-1, -1, -1], [null, [2, 2]]]);
  expect(parts.map(({ shape }) => shape)).toEqual([[3, 4, 5], [], [3, 0, 5]]);
  expect(parts[1]?.data[0]).toBe(234);
  await expect(image.read([3])).rejects.toThrow(RangeError);
  expect(await root.take(image)).toBe(true);
  expect((await root.corner(image)).shape).toEqual([5]);
  image.release();
  await expect(image.read()).rejects.toThrow("released");
  await expect.poll(() => far.counts.own).toBe(0);
  expect(peer.counts).toEqual({ asked: 0, running: 0, own: 0, received: 0 });
});

test("its owner reads it as others do", async () => {
  const { array } = counted([3, 4, 5]);
  expect((await array.read([1, [0, 2]])).shape).toEqual([2, 5]);
});

test("a third peer reads through the second", async () => {
  const { array } = counted([3, 4, 5]);
  const [first, second] = [offered(array), offered(counted([1]).array)];
  const corner = await second.root.corner(await first.root.image());
  expect([corner.shape, corner.data.length]).toEqual([[5], 5]);
});

test("giving up ends the reading", async () => {
  let begun: AbortSignal | null = null;
  const { array } = counted([3, 4, 5], (_, signal) => {
    begun = signal;
    return new Promise((_, reject) => {
      signal.addEventListener("abort", () => reject(signal.reason));
    });
  });
  const { root, far } = offered(array);
  const image = await root.image();
  const controller = new AbortController();
  const reading = image.read([], { signal: controller.signal });
  await expect.poll(() => begun).not.toBeNull();
  controller.abort(new Error("enough"));
  await expect(reading).rejects.toThrow("enough");
  await expect.poll(() => begun?.aborted).toBe(true);
  await expect.poll(() => far.counts.running).toBe(0);
});

const wrong = [
  null,
  [],
  [1],
  [NdArray.of(new Uint16Array(4))],
  [NdArray.of(new Int16Array(5))],
  [NdArray.of(new Uint16Array(5)), NdArray.of(new Uint16Array(5))],
];
test.each(wrong.map((answer) => ({ answer })))(
  "a lie is found out: $answer",
  async ({ answer }) => {
    const { root } = offered(new LazyArray({ read: () => answer }, "uint16", [5], null));
    await expect((await root.image()).read()).rejects.toThrow(ProtocolError);
  },
);

test("what asks for too much is refused", async () => {
  const { array } = counted([1 << 20, 1 << 20]);
  const { root } = offered(array);
  await expect((await root.image()).read()).rejects.toThrow("at most");
});

test("what was read is checked before it is sent", async () => {
  const { array } = counted([5], () => NdArray.of(new Uint16Array(4)));
  await expect(array.read()).rejects.toThrow("not what was asked for");
  expect(
    () =>
      counted([5]).array &&
      lazyArray({ ...array, dtype: "object", read: () => NdArray.of(new Uint8Array(1)) }),
  ).toThrow(TypeError);
});
