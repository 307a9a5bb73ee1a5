/** Values that JavaScript has no type of its own for, and marks on values. */
import { isTypedArray, NdArray } from "./ndarray.ts";

/** Python's `complex`. */
export class Complex {
  readonly re: number;
  readonly im: number;
  constructor(re: number, im: number) {
    this.re = re;
    this.im = im;
  }
}

/** Something with methods that travels by reference although it is a plain object. */
export type Reference<T extends object> = T & { readonly [REFERENCE]: true };
declare const REFERENCE: unique symbol;
const references = new WeakSet<object>();

/** Marks `object`: the other side gets a remote of it instead of a copy. */
export function reference<T extends object>(object: T): Reference<T> {
  references.add(object);
  return object as Reference<T>;
}

export function isReference(object: object): boolean {
  return references.has(object);
}

/** Something whose memory is given away with it. */
export class Given {
  readonly value: NdArray | ArrayBuffer;
  constructor(value: NdArray | ArrayBuffer) {
    this.value = value;
  }
}

/**
 * Gives an array away: between page, frame and worker its memory moves instead of being copied, and `value` is
 * empty afterwards. Elsewhere it makes no difference.
 */
export function transfer<T extends NdArray | ArrayBuffer | ArrayBufferView<ArrayBuffer>>(
  value: T,
): T {
  const given =
    value instanceof NdArray || value instanceof ArrayBuffer
      ? value
      : isTypedArray(value)
        ? NdArray.of(value)
        : refuse(value);
  // It stands in for the value where that is about to be sent, and nowhere else.
  return new Given(given) as unknown as T;
}

function refuse(value: object): never {
  throw new TypeError(`A ${value.constructor.name} cannot be given away.`);
}

/** A class whose instances travel by value under a name that both sides know. */
export type RegisteredType<T extends object = object> = {
  readonly name: string;
  readonly type: abstract new (...args: never[]) => T;
  /** What travels instead: any value. */
  readonly pack: (object: T) => unknown;
  readonly unpack: (value: unknown) => T;
};
