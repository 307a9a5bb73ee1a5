import { afterEach, expect, test } from "vitest";
import * as zarr from "zarrita";
import { lazyArray } from "../rpc/lazy_array.ts";
import { NdArray } from "../rpc/ndarray.ts";
import { Peer } from "../rpc/peer.ts";
import { type Region, shapeOf } from "../rpc/regions.ts";
import { memoryLink } from "../rpc/transports/memory.ts";
import { zarrStore } from "./zarr_store.ts";

const open: Peer[] = [];
afterEach(() => {
  for (const peer of open.splice(0)) peer.close();
});

type Store = {
  _rtype: string;
  getItem(key: string): Promise<ArrayBuffer>;
  containsItem(key: string): Promise<boolean>;
  setItem(key: string, value: unknown): void;
};
type Asked = { regions: Region[] };

/** An array whose pixel at (y, x) is 1000 y + x (so for more axes), and which tells what was read of it. */
function ramp(shape: number[], chunks: number[] | null = null, dtype = "uint16") {
  const asked: Asked = { regions: [] };
  const array = lazyArray({
    dtype,
    shape,
    chunks,
    read: (region) => {
      asked.regions.push(region);
      const part = shapeOf(region);
      const size = part.reduce((all, side) => all * side, 1);
      const pixels = Array.from({ length: size }, (_, n) => {
        let [rest, value, weight] = [n, 0, 1];
        for (let axis = part.length - 1; axis >= 0; axis--) {
          const side = part[axis] ?? 1;
          value += weight * ((region[axis]?.[0] ?? 0) + (rest % side));
          rest = Math.floor(rest / side);
          weight *= 1000;
        }
        return value;
      });
      return NdArray.of(
        dtype === "uint8" ? Uint8Array.from(pixels) : Uint16Array.from(pixels),
        part,
      );
    },
  });
  return { array, asked };
}

/** The store of what the other side of a link has. */
async function storeOver(service: { image(): unknown }): Promise<Store> {
  const [one, other] = memoryLink();
  const [peer, far] = [new Peer(one), new Peer(other, { service })];
  open.push(peer, far);
  return zarrStore(await peer.root<{ image(): never }>().image()) as unknown as Store;
}

/** As a viewer asks for keys: zarrita's begin with a slash, and what is not there is undefined. */
function readable(store: Store) {
  return {
    get: async (key: `/${string}`) => {
      const name = key.slice(1);
      return (await store.containsItem(name))
        ? new Uint8Array(await store.getItem(name))
        : undefined;
    },
  };
}

test("Zarr's own reader reads the array, chunk by chunk", async () => {
  const { array, asked } = ramp([5, 7], [2, 3]);
  const store = await storeOver({ image: () => array });
  const opened = await zarr.open.v2(readable(store), { kind: "array" });
  expect([opened.shape, opened.chunks, opened.dtype]).toEqual([[5, 7], [2, 3], "uint16"]);
  expect(asked.regions).toEqual([]);
  const corner = await zarr.get(opened, [zarr.slice(4, 5), zarr.slice(5, 7)]);
  expect([...corner.data]).toEqual([4005, 4006]);
  // Two chunks touch that, which are cut at the end of the array.
  expect(asked.regions.map((region) => region.map((part) => part.slice(0, 2)))).toEqual([
    [
      [4, 5],
      [3, 6],
    ],
    [
      [4, 5],
      [6, 7],
    ],
  ]);
  const all = await zarr.get(opened);
  expect([...all.data]).toEqual(
    Array.from({ length: 35 }, (_, n) => 1000 * Math.floor(n / 7) + (n % 7)),
  );
});

test("an array with levels is a group of OME-Zarr, too, of which only what is asked for is read", async () => {
  const [fine, coarse] = [ramp([8, 8], [4, 4]), ramp([4, 4], [4, 4])];
  const about = (array: object, step: number) => ({
    array,
    axes: ["y", "x"],
    scale: [step, step],
    translation: [(step - 1) / 2, 0],
    units: ["micrometer", null],
    name: "cells",
    kind: "image",
  });
  // As Python's `LazyLevels` answers.
  Object.assign(fine.array.source, {
    levels: () => [about(fine.array, 1), about(coarse.array, 2)],
  });
  const store = await storeOver({ image: () => fine.array });
  const group = await zarr.open.v2(readable(store), { kind: "group" });
  const [multiscale] = group.attrs["multiscales"] as Record<string, unknown>[];
  expect(multiscale).toEqual({
    version: "0.4",
    name: "cells",
    axes: [
      { name: "y", type: "space", unit: "micrometer" },
      { name: "x", type: "space" },
    ],
    datasets: [
      {
        path: "0",
        coordinateTransformations: [
          { type: "scale", scale: [1, 1] },
          { type: "translation", translation: [0, 0] },
        ],
      },
      {
        path: "1",
        coordinateTransformations: [
          { type: "scale", scale: [2, 2] },
          { type: "translation", translation: [0.5, 0] },
        ],
      },
    ],
  });
  const level = await zarr.open.v2(group.resolve("1"), { kind: "array" });
  const pixels = await zarr.get(level, [3, null]);
  expect([...pixels.data]).toEqual([3000, 3001, 3002, 3003]);
  expect(fine.asked.regions).toEqual([]);
  expect(coarse.asked.regions).toHaveLength(1);
});

test("an array of which nothing is known is the one level of a group", async () => {
  const axes = async (shape: number[]) => {
    const store = await storeOver({ image: () => ramp(shape).array });
    const attributes = JSON.parse(new TextDecoder().decode(await store.getItem(".zattrs")));
    return attributes.multiscales[0].axes.map(({ name }: { name: string }) => name).join("");
  };
  expect(await axes([4])).toBe("x");
  expect(await axes([4, 4])).toBe("yx");
  expect(await axes([4, 4, 4])).toBe("yxc");
  expect(await axes([4, 4, 5])).toBe("zyx");
  expect(await axes([2, 4, 4, 5])).toBe("czyx");
  expect(await axes([2, 2, 4, 4, 5])).toBe("tczyx");
});

test("chunks are no larger than one message should be", async () => {
  const store = await storeOver({ image: () => ramp([9000, 5000], [9000, 5000]).array });
  const opened = await zarr.open.v2(readable(store), { kind: "array" });
  const [height = 0, width = 0] = opened.chunks;
  expect(height * width * 2).toBeLessThanOrEqual(1 << 22);
  expect(height * width * 2).toBeGreaterThan(1 << 20);
  const pixel = await zarr.get(opened, [zarr.slice(8999, 9000), zarr.slice(4999, 5000)]);
  expect([...pixel.data]).toEqual([(8999 * 1000 + 4999) % 65536]);
});

test("what is not there is said, and nothing can be written", async () => {
  const store = await storeOver({ image: () => ramp([5, 7], [2, 3]).array });
  for (const key of ["", "3.0", "0.3", "0", "0.0.0", "1/0.0", "x", "1/.zarray", "0/0/.zarray"]) {
    expect(await store.containsItem(key)).toBe(false);
    await expect(store.getItem(key)).rejects.toThrow(`KeyError: ${key}`);
  }
  for (const key of [".zgroup", ".zattrs", ".zarray", "2.2", "0/.zarray", "0/2.2"]) {
    expect(await store.containsItem(key)).toBe(true);
  }
  expect(() => store.setItem("0.0", new ArrayBuffer(1))).toThrow("only be read");
});

test("it stays after the call that brought it", async () => {
  const { array } = ramp([5, 7], [2, 3], "uint8");
  let store: Store | null = null;
  const [one, other] = memoryLink();
  const [peer, far] = [
    new Peer(one),
    new Peer(other, {
      service: {
        take: (it: never) => {
          store = zarrStore(it) as unknown as Store;
        },
      },
    }),
  ];
  open.push(peer, far);
  await peer.root<{ take(it: object): void }>().take(array);
  const opened = await zarr.open.v2(readable(store as unknown as Store), { kind: "array" });
  expect([...(await zarr.get(opened, [0, null])).data]).toEqual([0, 1, 2, 3, 4, 5, 6]);
});
