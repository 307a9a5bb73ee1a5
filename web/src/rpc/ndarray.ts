/** Arrays with a type and a shape: what NumPy's arrays are here. */

export type TypedArray =
  | Int8Array
  | Uint8Array
  | Uint8ClampedArray
  | Int16Array
  | Uint16Array
  | Int32Array
  | Uint32Array
  | BigInt64Array
  | BigUint64Array
  | Float32Array
  | Float64Array;

type Storage = { readonly of: new (buffer: ArrayBuffer) => TypedArray; readonly parts: 1 | 2 };

const one = (of: Storage["of"]): Storage => ({ of, parts: 1 });

/** How each dtype lies in memory. Types without a counterpart keep their bits in a whole-number type. */
const STORAGE: Readonly<Record<string, Storage>> = {
  bool: one(Uint8Array),
  int8: one(Int8Array),
  uint8: one(Uint8Array),
  int16: one(Int16Array),
  uint16: one(Uint16Array),
  int32: one(Int32Array),
  uint32: one(Uint32Array),
  int64: one(BigInt64Array),
  uint64: one(BigUint64Array),
  // Not Float16Array: the type of `data` must not depend on the age of a browser.
  float16: one(Uint16Array),
  float32: one(Float32Array),
  float64: one(Float64Array),
  // Real and imaginary parts take turns.
  complex64: { of: Float32Array, parts: 2 },
  complex128: { of: Float64Array, parts: 2 },
};

const TIME = /^(datetime|timedelta)64(\[[1-9]?[0-9]{0,8}(Y|M|W|D|h|m|s|ms|us|μs|ns|ps|fs|as)\])?$/;
const TYPED_ARRAY = /^(Int|Uint|Float|BigInt|BigUint)(8|16|32|64)(Clamped)?Array$/;

export const MOST_AXES = 32;

/** In C order, little endian (as every computer that runs JavaScript today is). */
export class NdArray<Data extends TypedArray = TypedArray> {
  /** NumPy's name of the type: "uint16", "float32", "bool", "complex64", "datetime64[ns]" … */
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly data: Data;

  /** Throws a TypeError for an unknown dtype, a RangeError where shape and data disagree. */
  constructor(dtype: string, shape: readonly number[], data: Data) {
    const { of, parts } = storageOf(dtype);
    if (!(data instanceof of) && !(dtype === "uint8" && data instanceof Uint8ClampedArray)) {
      throw new TypeError(`The data of a ${dtype} array is a ${of.name}.`);
    }
    if (countOf(shape) * parts !== data.length) {
      throw new RangeError(`[${shape}] of ${dtype} does not have ${data.length} numbers.`);
    }
    this.dtype = dtype;
    this.shape = [...shape];
    this.data = data;
  }

  /** `ndarray.of(pixels, [512, 512])`; without a shape, one dimension. */
  static of<D extends TypedArray>(data: D, shape?: readonly number[]): NdArray<D> {
    return new NdArray(dtypeOf(data), shape ?? [data.length], data);
  }

  /** The whole of `buffer` as an array. */
  static over(dtype: string, shape: readonly number[], buffer: ArrayBuffer): NdArray {
    const { of, parts } = storageOf(dtype);
    const count = countOf(shape) * parts;
    const data = buffer.byteLength % elementSize(of) === 0 ? new of(buffer) : null;
    if (data?.length === count) return new NdArray(dtype, shape, data);
    throw new RangeError(`[${shape}] of ${dtype} does not have ${buffer.byteLength} bytes.`);
  }

  get bytes(): Uint8Array {
    return new Uint8Array(this.data.buffer, this.data.byteOffset, this.data.byteLength);
  }
}

export function isTypedArray(value: object): value is TypedArray {
  return ArrayBuffer.isView(value) && !(value instanceof DataView);
}

/** Throws a TypeError where NumPy has no such type. */
function dtypeOf(data: TypedArray): string {
  // By name, because a window's typed arrays are of another class than those of its frames.
  const match = TYPED_ARRAY.exec(data[Symbol.toStringTag]);
  if (!match) throw new TypeError(`A ${data[Symbol.toStringTag]} has no dtype.`);
  return `${match[1]?.replace("Big", "").toLowerCase()}${match[2]}`;
}

function storageOf(dtype: string): Storage {
  const storage = Object.hasOwn(STORAGE, dtype) ? STORAGE[dtype] : undefined;
  if (storage) return storage;
  if (TIME.test(dtype)) return one(BigInt64Array);
  throw new TypeError(`There are no arrays of dtype ${dtype.slice(0, 40)} in JavaScript.`);
}

/** Bytes of one element. Throws a TypeError for an unknown dtype. */
export function itemSize(dtype: string): number {
  const { of, parts } = storageOf(dtype);
  return elementSize(of) * parts;
}

function elementSize(of: Storage["of"]): number {
  return (of as unknown as { BYTES_PER_ELEMENT: number }).BYTES_PER_ELEMENT;
}

/** Throws a RangeError where `shape` is none. */
function countOf(shape: readonly number[]): number {
  if (shape.length > MOST_AXES) throw new RangeError("An array has up to 32 axes.");
  let count = 1;
  for (const length of shape) {
    if (!Number.isInteger(length) || length < 0) throw new RangeError(`[${shape}] is no shape.`);
    count *= length;
  }
  if (Number.isSafeInteger(count)) return count;
  throw new RangeError(`[${shape}] is too large.`);
}
