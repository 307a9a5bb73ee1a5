/** Writes msgpack, each value in its shortest form, into one growing run of bytes. */

const FIRST_BYTES = 256;
const encoder = new TextEncoder();

export class MsgpackWriter {
  #bytes = new Uint8Array(FIRST_BYTES);
  #view = new DataView(this.#bytes.buffer);
  #length = 0;
  readonly #limit: number;

  /** More than `limit` bytes are refused with a RangeError. */
  constructor(limit = Number.POSITIVE_INFINITY) {
    this.#limit = limit;
  }

  finish(): Uint8Array<ArrayBuffer> {
    return this.#bytes.slice(0, this.#length);
  }

  nil(): void {
    this.#byte(0xc0);
  }

  boolean(value: boolean): void {
    this.#byte(value ? 0xc3 : 0xc2);
  }

  /** A whole number of at most 53 bits. */
  integer(value: number): void {
    if (value >= 0) {
      if (value < 0x80) this.#byte(value);
      else if (value <= 0xff) this.#put(0xcc, 1, (at) => this.#view.setUint8(at, value));
      else if (value <= 0xffff) this.#put(0xcd, 2, (at) => this.#view.setUint16(at, value));
      else if (value <= 0xffffffff) this.#put(0xce, 4, (at) => this.#view.setUint32(at, value));
      else this.#put(0xcf, 8, (at) => this.#view.setBigUint64(at, BigInt(value)));
    } else if (value >= -0x20) this.#byte(value & 0xff);
    else if (value >= -0x80) this.#put(0xd0, 1, (at) => this.#view.setInt8(at, value));
    else if (value >= -0x8000) this.#put(0xd1, 2, (at) => this.#view.setInt16(at, value));
    else if (value >= -0x80000000) this.#put(0xd2, 4, (at) => this.#view.setInt32(at, value));
    else this.#put(0xd3, 8, (at) => this.#view.setBigInt64(at, BigInt(value)));
  }

  /** An integer of 64 bits that is beyond 53. */
  big(value: bigint): void {
    if (value >= 0n) this.#put(0xcf, 8, (at) => this.#view.setBigUint64(at, value));
    else this.#put(0xd3, 8, (at) => this.#view.setBigInt64(at, value));
  }

  float(value: number): void {
    this.#put(0xcb, 8, (at) => this.#view.setFloat64(at, value));
  }

  text(value: string): void {
    // TextEncoder would send a replacement character and say nothing.
    if (!value.isWellFormed()) throw new TypeError("A text holds half a surrogate pair.");
    const bytes = encoder.encode(value);
    if (bytes.length < 32) this.#byte(0xa0 | bytes.length);
    else this.#size(bytes.length, 0xd9);
    this.raw(bytes);
  }

  binary(bytes: Uint8Array): void {
    this.#size(bytes.length, 0xc4);
    this.raw(bytes);
  }

  /** The head of a list; its items follow. */
  list(length: number): void {
    if (length < 16) this.#byte(0x90 | length);
    else this.#long(length, 0xdc);
  }

  /** The head of a map; its keys and values follow. */
  map(length: number): void {
    if (length < 16) this.#byte(0x80 | length);
    else this.#long(length, 0xde);
  }

  extension(type: number, data: Uint8Array): void {
    const fixed = [1, 2, 4, 8, 16].indexOf(data.length);
    if (fixed >= 0) this.#byte(0xd4 + fixed);
    else this.#size(data.length, 0xc7);
    this.#byte(type);
    this.raw(data);
  }

  /** What is msgpack already. */
  raw(bytes: Uint8Array): void {
    const at = this.#grow(bytes.length);
    this.#bytes.set(bytes, at);
  }

  #size(length: number, code: number): void {
    if (length <= 0xff) this.#put(code, 1, (at) => this.#view.setUint8(at, length));
    else this.#long(length, code + 1);
  }

  #long(length: number, code: number): void {
    if (length <= 0xffff) this.#put(code, 2, (at) => this.#view.setUint16(at, length));
    else this.#put(code + 1, 4, (at) => this.#view.setUint32(at, length));
  }

  #byte(value: number): void {
    const at = this.#grow(1);
    this.#bytes[at] = value;
  }

  #put(code: number, size: number, write: (at: number) => void): void {
    const at = this.#grow(1 + size);
    this.#bytes[at] = code;
    write(at + 1);
  }

  /** Makes room; returns where it begins. */
  #grow(size: number): number {
    const at = this.#length;
    const length = at + size;
    if (length > this.#limit) {
      throw new RangeError(`A message is longer than ${this.#limit} bytes.`);
    }
    if (length > this.#bytes.length) {
      const larger = new Uint8Array(Math.max(length, this.#bytes.length * 2));
      larger.set(this.#bytes.subarray(0, at));
      this.#bytes = larger;
      this.#view = new DataView(larger.buffer);
    }
    this.#length = length;
    return at;
  }
}
