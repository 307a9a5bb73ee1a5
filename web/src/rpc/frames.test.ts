import { expect, test } from "vitest";
import { ProtocolError } from "./errors.ts";
import { decodeFrame, encodeFrame, LARGEST_HEADER, LARGEST_PAYLOAD } from "./frames.ts";

const header = Uint8Array.of(0x93, 8, 1, 0xc3);

test("a frame comes back as it was", () => {
  for (const payload of [null, new Uint8Array(5).fill(7), new Uint8Array(LARGEST_PAYLOAD)]) {
    expect(decodeFrame(encodeFrame({ header, payload }))).toEqual({ header, payload });
  }
});

test("frames beyond a limit are neither sent nor read", () => {
  const long = new Uint8Array(LARGEST_HEADER + 1);
  expect(() => encodeFrame({ header: long, payload: null })).toThrow(ProtocolError);
  expect(() => encodeFrame({ header, payload: long })).toThrow(ProtocolError);
  expect(() => encodeFrame({ header: new Uint8Array(0), payload: null })).toThrow(ProtocolError);
});

test("whatever is not a frame is refused", () => {
  const frame = encodeFrame({ header, payload: Uint8Array.of(1, 2, 3) });
  for (let cut = 0; cut < frame.length; cut++) {
    expect(() => decodeFrame(frame.subarray(0, cut))).toThrow(ProtocolError);
  }
  for (const [at, value] of [
    [8, 1], // descriptors
    [10, 1], // what must be zero
    [3, 255], // a header of 4 GiB
    [7, 255], // a payload of 4 GiB
    [4, 2], // a payload that is shorter than the rest
  ] as const) {
    const damaged = frame.slice();
    damaged[at] = value;
    expect(() => decodeFrame(damaged)).toThrow(ProtocolError);
  }
});
