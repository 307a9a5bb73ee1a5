import { expect, test } from "vitest";
import { fixture } from "../../../tests/viewer/fixture.ts";
import { random, whole } from "../../../tests/viewer/random.ts";
import { decodeFrame, encodeFrame, type Header, ProtocolError } from "./frames.ts";
import { parseServerFrame } from "./server_messages.ts";

type Frames = {
  readonly frames: readonly {
    readonly name: string;
    readonly header: Header;
    readonly payload: string;
    readonly frame: string;
  }[];
  readonly invalid: readonly { readonly name: string; readonly frame: string }[];
};

const { frames, invalid } = fixture<Frames>("frames");
const bytes = (hex: string) => Uint8Array.from(Buffer.from(hex, "hex"));
const hex = (data: Uint8Array) => Buffer.from(data).toString("hex");

test.each(frames)("$name is made and read as in Python", ({ header, payload, frame }) => {
  expect(hex(encodeFrame(header, bytes(payload)))).toBe(frame);
  const decoded = decodeFrame(bytes(frame));
  expect(decoded.header).toEqual(header);
  expect(hex(decoded.payload)).toBe(payload);
  expect(decoded.payload.byteOffset % 8).toBe(0);
});

test.each(invalid)("refused: $name", ({ frame }) => {
  expect(() => decodeFrame(bytes(frame))).toThrow(ProtocolError);
});

test("a header beyond 1 MiB is not sent", () => {
  expect(() => encodeFrame({ type: "x", long: "y".repeat(1 << 20) })).toThrow(ProtocolError);
});

/** Reading may refuse, but with no other error. */
function reads(data: Uint8Array): void {
  try {
    parseServerFrame(data);
  } catch (error) {
    expect(error).toBeInstanceOf(ProtocolError);
  }
}

test("no bytes make the decoder throw anything else", () => {
  const next = random(1);
  for (const { frame } of frames) {
    const whole_frame = bytes(frame);
    for (let cut = 0; cut < whole_frame.length; cut++) reads(whole_frame.subarray(0, cut));
    for (let i = 0; i < 400; i++) {
      const damaged = Uint8Array.from(whole_frame);
      for (let n = whole(next, 1, 4); n > 0; n--) {
        damaged[whole(next, 0, damaged.length - 1)] = whole(next, 0, 255);
      }
      reads(damaged);
    }
  }
  for (let i = 0; i < 2000; i++) {
    const noise = Uint8Array.from({ length: whole(next, 0, 64) }, () => whole(next, 0, 255));
    if (noise.length >= 4) noise.set([whole(next, 0, 60), 0, 0, 0]);
    reads(noise);
  }
  reads(encodeFrame({ type: "x" }).map((byte) => byte ^ 255));
});

test("deep nesting is refused or read, nothing else", () => {
  const json = `{"type":"scene","layers":${"[".repeat(200_000)}${"]".repeat(200_000)}}`;
  const body = new TextEncoder().encode(json);
  const frame = new Uint8Array(Math.ceil((4 + body.length) / 8) * 8);
  new DataView(frame.buffer).setUint32(0, body.length, true);
  frame.set(body, 4);
  reads(frame);
});
