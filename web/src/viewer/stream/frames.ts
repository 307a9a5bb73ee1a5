/** Binary frames of the view stream (protocol/VIEW.md): a JSON header, padding, raw values. */

/** The other side said something that the protocol does not allow. Nothing else is ever thrown here. */
export class ProtocolError extends Error {
  override readonly name = "ProtocolError";
}

export type Header = { readonly type: string; readonly [field: string]: unknown };
export type Frame = { readonly header: Header; readonly payload: Uint8Array };

export const MAX_HEADER_BYTES = 1 << 20;
const LENGTH_BYTES = 4;
/** Payloads start at a multiple of this, so that a view of any wire type can be laid over them. */
const ALIGNMENT = 8;
const NOTHING = new Uint8Array(0);

const encoder = new TextEncoder();
// `ignoreBOM` keeps a byte order mark, which JSON then refuses, as it does in Python.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

export function encodeFrame(
  header: Header,
  payload: Uint8Array = NOTHING,
): Uint8Array<ArrayBuffer> {
  const json = encoder.encode(JSON.stringify(header));
  if (json.length > MAX_HEADER_BYTES) throw new ProtocolError("The header is longer than 1 MiB.");
  const start = align(LENGTH_BYTES + json.length);
  const frame = new Uint8Array(start + payload.length);
  new DataView(frame.buffer).setUint32(0, json.length, true);
  frame.set(json, LENGTH_BYTES);
  frame.set(payload, start);
  return frame;
}

/** The payload is a view into `frame`, not a copy. */
export function decodeFrame(frame: Uint8Array): Frame {
  if (frame.length < LENGTH_BYTES)
    throw new ProtocolError("A frame is shorter than its length field.");
  const view = new DataView(frame.buffer, frame.byteOffset, frame.byteLength);
  const length = view.getUint32(0, true);
  if (length > MAX_HEADER_BYTES) throw new ProtocolError("A header says it is longer than 1 MiB.");
  const end = LENGTH_BYTES + length;
  const start = align(end);
  if (start > frame.length) throw new ProtocolError("A frame ends before its header does.");
  for (let i = end; i < start; i++) {
    if (frame[i] !== 0) throw new ProtocolError("The padding of a frame is not zero.");
  }
  return { header: parseHeader(frame.subarray(LENGTH_BYTES, end)), payload: frame.subarray(start) };
}

function parseHeader(bytes: Uint8Array): Header {
  let value: unknown;
  try {
    value = JSON.parse(decoder.decode(bytes));
  } catch {
    throw new ProtocolError("A header is not JSON in UTF-8.");
  }
  if (!isHeader(value)) throw new ProtocolError("A header is not an object with a string `type`.");
  return value;
}

function isHeader(value: unknown): value is Header {
  return (
    typeof value === "object" &&
    value !== null &&
    !Array.isArray(value) &&
    "type" in value &&
    typeof value.type === "string"
  );
}

function align(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
