import { afterEach, expect, test } from "vitest";
import { NdArray } from "../ndarray.ts";
import { Peer } from "../peer.ts";
import { transfer } from "../values.ts";
import { MessagePortTransport } from "./message_port.ts";

const open: Peer[] = [];
afterEach(() => {
  for (const peer of open.splice(0)) peer.close();
});

function link(service: object) {
  const { port1, port2 } = new MessageChannel();
  const peer = new Peer(new MessagePortTransport(port1));
  open.push(peer, new Peer(new MessagePortTransport(port2), { service }));
  return { peer, port1, port2 };
}

test("calls, callbacks and streams over a MessagePort", async () => {
  const { peer } = link({
    apply: async (f: (n: number) => Promise<number>, n: number) => 1 + (await f(n)),
    async *count() {
      yield* [1, 2, 3];
    },
  });
  const root = peer.root<{
    apply(f: (n: number) => number, n: number): number;
    count(): AsyncGenerator<number>;
  }>();
  expect(await root.apply((n) => n * 10, 4)).toBe(41);
  const seen: number[] = [];
  for await (const n of root.count()) seen.push(n);
  expect(seen).toEqual([1, 2, 3]);
});

test("an array that is given away is moved, another one copied", async () => {
  const { peer } = link({
    sum: (image: NdArray<Uint16Array>) => image.data.reduce((sum, value) => sum + value, 0),
    make: (n: number) => transfer(NdArray.of(new Float32Array(n).fill(2), [n / 100, 100])),
  });
  const root = peer.root<{ sum(image: NdArray<Uint16Array>): number; make(n: number): NdArray }>();
  const pixels = new Uint16Array(1_000_000).fill(3);
  expect(await root.sum(pixels)).toBe(3_000_000);
  expect(pixels).toHaveLength(1_000_000);
  expect(await root.sum(pixels.subarray(10, 20))).toBe(30);
  expect(await root.sum(transfer(pixels))).toBe(3_000_000);
  expect(pixels).toHaveLength(0);
  const made = await root.make(100_000);
  expect(made.shape).toEqual([1000, 100]);
  expect(made.data[99_999]).toBe(2);
});

test.each<[string, unknown]>([
  ["a text", "hello"],
  ["an empty list", []],
  ["a header that is a list", [[0, 1]]],
  ["a payload that is an array", [Uint8Array.of(0x90), Uint8Array.of(1)]],
  ["too much", [Uint8Array.of(0x90), new ArrayBuffer(1), 1]],
  ["a call before hello", [Uint8Array.of(0x92, 11, 1)]],
])("%s is no frame, and ends the link", async (_, message) => {
  const { port1, port2 } = new MessageChannel();
  const peer = new Peer(new MessagePortTransport(port1));
  port2.postMessage(message);
  expect((await peer.closed).cause).toMatchObject({ name: "ProtocolError" });
  port2.close();
});

test("a port that is closed ends the link", async () => {
  const { peer, port2 } = link({});
  await peer.opened;
  port2.close();
  expect((await peer.closed).name).toBe("ConnectionLost");
});
