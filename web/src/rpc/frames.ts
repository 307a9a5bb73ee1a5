/** Frames: what a transport carries, and their prefix on byte transports (protocol/RPC.md). Pure. */
import { ProtocolError } from "./errors.ts";

/** A header, and at most one payload. (File descriptors do not exist in JavaScript.) */
export type Frame = { readonly header: Uint8Array; readonly payload: Uint8Array | null };

export const LARGEST_HEADER = 1 << 20;
export const LARGEST_PAYLOAD = 1 << 20;
/** What this side sends at once of a buffer, on a transport on which buffers travel in pieces. */
export const LARGEST_PIECE = 1 << 18;
const PREFIX_BYTES = 12;

export function encodeFrame({ header, payload }: Frame): Uint8Array<ArrayBuffer> {
  const size = payload?.length ?? 0;
  checkLimits(header.length, size);
  const frame = new Uint8Array(PREFIX_BYTES + header.length + size);
  const prefix = new DataView(frame.buffer);
  prefix.setUint32(0, header.length, true);
  prefix.setUint32(4, size, true);
  frame.set(header, PREFIX_BYTES);
  if (payload) frame.set(payload, PREFIX_BYTES + header.length);
  return frame;
}

/** Header and payload are views into `bytes`, not copies. */
export function decodeFrame(bytes: Uint8Array): Frame {
  if (bytes.length < PREFIX_BYTES) throw new ProtocolError("A frame is shorter than its prefix.");
  const prefix = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = prefix.getUint32(0, true);
  const size = prefix.getUint32(4, true);
  checkLimits(length, size);
  if (prefix.getUint32(8, true) !== 0) {
    throw new ProtocolError("A frame's prefix names descriptors, or is malformed.");
  }
  const end = PREFIX_BYTES + length;
  if (bytes.length !== end + size) {
    throw new ProtocolError("A frame is not as long as its prefix says.");
  }
  return {
    header: bytes.subarray(PREFIX_BYTES, end),
    payload: size ? bytes.subarray(end) : null,
  };
}

function checkLimits(header: number, payload: number): void {
  if (header < 1 || header > LARGEST_HEADER) {
    throw new ProtocolError(`A frame's header has 1 to ${LARGEST_HEADER} bytes, not ${header}.`);
  }
  if (payload > LARGEST_PAYLOAD) {
    throw new ProtocolError(`A frame's payload has at most ${LARGEST_PAYLOAD} bytes.`);
  }
}
