/** What v1 makes of values that structured clones or maps cannot hold. Pure. */

/** A value that v1 writes as a map with its type. */
export type Typed = Record<string, unknown> & { readonly _rtype: string };
export type Plain = Record<string, unknown>;

/** What came is no v1, or cannot be sent by it. */
export class V1Error extends Error {
  override name = "V1Error";
}

/** Values deeper than this contain themselves, or were made to do harm. */
export const DEEPEST = 100;

/** The kinds of arrays that v1's JavaScript knows. */
const TYPED_ARRAYS = {
  int8: Int8Array,
  int16: Int16Array,
  int32: Int32Array,
  uint8: Uint8Array,
  uint16: Uint16Array,
  uint32: Uint32Array,
  float32: Float32Array,
  float64: Float64Array,
  // Not of ImJoy, and what Python sends.
  uint64: BigUint64Array,
  int64: BigInt64Array,
  bool: Uint8Array,
} as const;

type TypedArray = InstanceType<(typeof TYPED_ARRAYS)[keyof typeof TYPED_ARRAYS]>;

/** Whether it is a map made by `{…}`, in this window or another. */
export function isPlain(value: unknown): value is Plain {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return false;
  const prototype: unknown = Object.getPrototypeOf(value);
  return prototype === null || Object.getPrototypeOf(prototype) === null;
}

export function isTyped(value: unknown): value is Typed {
  return isPlain(value) && Object.hasOwn(value, "_rtype") && typeof value["_rtype"] === "string";
}

/** The class of values, by its name: those of another window are of other classes. */
export function className(value: object): string {
  return Object.prototype.toString.call(value).slice(8, -1);
}

/** v1's name for the numbers in a typed array; null where it has none. */
export function dtypeOf(array: ArrayBufferView): string | null {
  const name = className(array);
  if (name === "Uint8ClampedArray") return "uint8";
  const known = Object.entries(TYPED_ARRAYS).find(([, type]) => type.name === name);
  return known?.[0] ?? null;
}

/** The numbers in a buffer. Throws a V1Error for an unknown dtype, or a buffer that does not fit. */
export function numbersIn(buffer: unknown, dtype: unknown): TypedArray {
  const type = isDtype(dtype) ? TYPED_ARRAYS[dtype] : undefined;
  if (!type) throw new V1Error(`There are no typed arrays of ${String(dtype).slice(0, 40)}.`);
  const whole = bytesOf(buffer);
  if (whole.byteLength % type.BYTES_PER_ELEMENT === 0) return new type(whole);
  throw new V1Error(`${whole.byteLength} bytes are no array of ${String(dtype)}.`);
}

function isDtype(dtype: unknown): dtype is keyof typeof TYPED_ARRAYS {
  return typeof dtype === "string" && Object.hasOwn(TYPED_ARRAYS, dtype);
}

/** What `_rvalue` holds: a buffer, a view of one, or a list of such pieces. Throws a V1Error. */
export function bytesOf(value: unknown): ArrayBuffer {
  if (className(Object(value)) === "ArrayBuffer") return value as ArrayBuffer;
  if (ArrayBuffer.isView(value)) {
    const { buffer, byteOffset, byteLength } = value;
    const isWhole = byteLength === buffer.byteLength && className(buffer) === "ArrayBuffer";
    return isWhole
      ? (buffer as ArrayBuffer)
      : new Uint8Array(buffer, byteOffset, byteLength).slice().buffer;
  }
  if (!Array.isArray(value)) throw new V1Error("A value has no bytes where they belong.");
  const pieces = value.map((piece) => new Uint8Array(bytesOf(piece)));
  const whole = new Uint8Array(pieces.reduce((sum, { length }) => sum + length, 0));
  let place = 0;
  for (const piece of pieces) {
    whole.set(piece, place);
    place += piece.length;
  }
  return whole.buffer;
}

/** The text of a failure: without the name that all have. */
export function messageOf(error: unknown): string {
  const text =
    error instanceof Error || className(Object(error)) === "Error" ? String(error) : textOf(error);
  return text.replace(/^(Error: )+/, "");
}

function textOf(value: unknown): string {
  if (typeof value === "string") return value;
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}
