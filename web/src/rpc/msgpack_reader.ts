/**
 * Reads msgpack from outside: whatever the bytes are, it throws nothing but a ProtocolError and takes memory
 * in proportion to them.
 */
import { ProtocolError } from "./errors.ts";

/** How deep lists, maps and extensions may be nested. */
export const DEEPEST = 64;
/** Below this a loop is faster than TextDecoder. */
const SHORT_TEXT = 24;
// `ignoreBOM` keeps a byte order mark: a text arrives as it was sent.
const decoder = new TextDecoder("utf-8", { fatal: true, ignoreBOM: true });

/** What an extension stands for. `depth` is that of its content. */
export type ReadExtension = (type: number, data: Uint8Array, depth: number) => unknown;

export class MsgpackReader {
  readonly #bytes: Uint8Array;
  readonly #view: DataView;
  #at = 0;

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
    this.#view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  }

  /** Nothing may follow. */
  end(): void {
    if (this.#at !== this.#bytes.length) throw new ProtocolError("Something follows a message.");
  }

  /** The bytes of the next value, which is checked for its form only. */
  raw(depth = 0): Uint8Array {
    const start = this.#at;
    this.value(() => null, depth);
    return this.#bytes.subarray(start, this.#at);
  }

  /** The length of a list, whose items come next. */
  list(): number {
    const code = this.#byte();
    if (code >= 0x90 && code <= 0x9f) return code & 0x0f;
    if (code === 0xdc) return this.#count(this.#uint(2));
    if (code === 0xdd) return this.#count(this.#uint(4));
    throw new ProtocolError("A list was expected.");
  }

  value(extension: ReadExtension, depth = 0): unknown {
    const code = this.#byte();
    if (code < 0x80) return code;
    if (code >= 0xe0) return code - 0x100;
    if (code < 0x90) return this.#map(code & 0x0f, extension, depth);
    if (code < 0xa0) return this.#list(code & 0x0f, extension, depth);
    if (code < 0xc0) return this.#text(code & 0x1f);
    switch (code) {
      case 0xc0:
        return null;
      case 0xc2:
        return false;
      case 0xc3:
        return true;
      case 0xc4:
      case 0xc5:
      case 0xc6:
        // A copy: small, and it must not keep the whole frame alive.
        return this.#take(this.#uint(1 << (code - 0xc4))).slice().buffer;
      case 0xc7:
      case 0xc8:
      case 0xc9:
        return this.#extension(this.#uint(1 << (code - 0xc7)), extension, depth);
      case 0xca:
        return this.#view.getFloat32(this.#skip(4));
      case 0xcb:
        return this.#view.getFloat64(this.#skip(8));
      case 0xcc:
      case 0xcd:
      case 0xce:
        return this.#uint(1 << (code - 0xcc));
      case 0xcf:
        return exact(this.#view.getBigUint64(this.#skip(8)));
      case 0xd0:
        return this.#view.getInt8(this.#skip(1));
      case 0xd1:
        return this.#view.getInt16(this.#skip(2));
      case 0xd2:
        return this.#view.getInt32(this.#skip(4));
      case 0xd3:
        return exact(this.#view.getBigInt64(this.#skip(8)));
      case 0xd9:
      case 0xda:
      case 0xdb:
        return this.#text(this.#uint(1 << (code - 0xd9)));
      case 0xdc:
      case 0xdd:
        return this.#list(this.#uint(2 << (code - 0xdc)), extension, depth);
      case 0xde:
      case 0xdf:
        return this.#map(this.#uint(2 << (code - 0xde)), extension, depth);
      case 0xc1:
        throw new ProtocolError("A message holds a byte that msgpack does not use.");
      default:
        return this.#extension(1 << (code - 0xd4), extension, depth);
    }
  }

  #list(length: number, extension: ReadExtension, depth: number): unknown[] {
    this.#count(length);
    const inside = deeper(depth);
    const list: unknown[] = [];
    for (let i = 0; i < length; i++) list.push(this.value(extension, inside));
    return list;
  }

  #map(length: number, extension: ReadExtension, depth: number): Record<string, unknown> {
    this.#count(length * 2);
    const inside = deeper(depth);
    const map: Record<string, unknown> = {};
    for (let i = 0; i < length; i++) {
      const key = this.value(extension, inside);
      if (typeof key !== "string") throw new ProtocolError("The key of a map is not a text.");
      const value = this.value(extension, inside);
      if (key !== "__proto__") map[key] = value;
      // Assigning it would change what the map *is*.
      else Object.defineProperty(map, key, { value, enumerable: true, writable: true });
    }
    return map;
  }

  #extension(size: number, extension: ReadExtension, depth: number): unknown {
    const type = this.#view.getInt8(this.#skip(1));
    return extension(type, this.#take(size), deeper(depth));
  }

  #text(size: number): string {
    const bytes = this.#take(size);
    if (size < SHORT_TEXT) {
      let text = "";
      for (const byte of bytes) {
        if (byte > 0x7f) return decode(bytes);
        text += String.fromCharCode(byte);
      }
      return text;
    }
    return decode(bytes);
  }

  /** An item takes a byte at least: a longer list is a lie, and nothing is allocated for it. */
  #count(items: number): number {
    if (items > this.#bytes.length - this.#at) throw new ProtocolError("A message is cut off.");
    return items;
  }

  #uint(size: number): number {
    const at = this.#skip(size);
    if (size === 1) return this.#view.getUint8(at);
    return size === 2 ? this.#view.getUint16(at) : this.#view.getUint32(at);
  }

  #byte(): number {
    return this.#view.getUint8(this.#skip(1));
  }

  #take(size: number): Uint8Array {
    const at = this.#skip(size);
    return this.#bytes.subarray(at, at + size);
  }

  #skip(size: number): number {
    const at = this.#at;
    if (size > this.#bytes.length - at) throw new ProtocolError("A message is cut off.");
    this.#at = at + size;
    return at;
  }
}

function deeper(depth: number): number {
  if (depth >= DEEPEST) throw new ProtocolError(`Values are nested deeper than ${DEEPEST}.`);
  return depth + 1;
}

function decode(bytes: Uint8Array): string {
  try {
    return decoder.decode(bytes);
  } catch {
    throw new ProtocolError("A text is not UTF-8.");
  }
}

/** 64 bits as a number where that is exact. */
function exact(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}
