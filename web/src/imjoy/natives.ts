/** What a plugin's values are on the wire, and what comes of those that arrive: as ImJoy's own library does it. */
import type { Arrivals } from "./decoder.ts";
import type { Natives } from "./encoder.ts";
import type { Callable } from "./stores.ts";
import {
  bytesOf,
  className,
  dtypeOf,
  isPlain,
  messageOf,
  numbersIn,
  type Plain,
  type Typed,
} from "./values.ts";

/** How a plugin writes and reads a type of its own. */
export type PluginCodec = {
  readonly name: string;
  readonly type?: abstract new (...args: never[]) => object;
  readonly encoder?: (value: never) => unknown;
  readonly decoder?: (value: never) => unknown;
};

/** Libraries of arrays that a plugin may have loaded. */
type Libraries = {
  readonly nj?: { readonly NdArray?: Callable; array(data: unknown, dtype?: string): Plain };
  readonly tf?: { readonly Tensor?: Callable; tensor(...args: unknown[]): unknown };
};

/** Marks functions that are proxies, so that they may be called again and again. */
export const remotes = new WeakSet<Callable>();

const CLONED = [
  ..."Date RegExp ImageData ImageBitmap FileList Boolean String MessagePort OffscreenCanvas".split(
    " ",
  ),
  ..."FileSystemHandle FileSystemFileHandle FileSystemDirectoryHandle".split(" "),
];

/** `codecs` may get more, and lose some, at any time. */
export function pluginNatives(codecs: ReadonlyMap<string, PluginCodec>): Natives {
  return {
    isKept: (call) => remotes.has(call),
    toWire: (value, given) => {
      for (const { name, type, encoder } of codecs.values()) {
        if (!encoder || !type || !(value instanceof type)) continue;
        return named(encoder(value as never), name);
      }
      return libraryArray(value, given) ?? toWire(value, given);
    },
  };
}

export function pluginArrivals(
  codecs: ReadonlyMap<string, PluginCodec>,
  interfaceCame: Arrivals["interfaceCame"],
): Arrivals {
  return {
    isDeep: false,
    interfaceMark: (id) => id,
    interfaceCame,
    arrived: (value) => value,
    fromWire: (typed) => {
      const decoder = codecs.get(typed._rtype)?.decoder;
      if (decoder) return decoder(typed as never);
      return fromWire(typed);
    },
  };
}

function named(value: unknown, name: string): unknown {
  if (value instanceof Promise) return value.then((content: unknown) => named(content, name));
  if (isPlain(value) && !value["_rtype"]) return { ...value, _rtype: name };
  return value;
}

function toWire(value: object, given: Transferable[]): unknown {
  const name = className(value);
  const bytes = (view: ArrayBufferView) => {
    const buffer = bytesOf(view);
    if ((value as Plain)["_transfer"] && buffer === view.buffer) given.push(buffer);
    return buffer;
  };
  if (name === "ArrayBuffer") return value;
  if (name === "DataView") {
    return { _rtype: "memoryview", _rvalue: bytes(value as DataView) };
  }
  if (ArrayBuffer.isView(value)) {
    return { _rtype: "typedarray", _rvalue: bytes(value), _rdtype: dtypeOf(value) };
  }
  if (name === "Error" || value instanceof Error)
    return { _rtype: "error", _rvalue: String(value) };
  if (name === "File") {
    const { name: fileName, type, webkitRelativePath } = value as File;
    const path: unknown = (value as Plain)["_path"] ?? webkitRelativePath;
    return { _rtype: "file", _rvalue: value, _rname: fileName, _rmime: type, _rpath: path };
  }
  if (name === "Blob") return { _rtype: "blob", _rvalue: value, _rmime: (value as Blob).type };
  if (name === "Set") return { _rtype: "set", _rvalue: [...(value as Set<unknown>)] };
  if (name === "Map")
    return { _rtype: "orderedmap", _rvalue: [...(value as Map<unknown, unknown>)] };
  return CLONED.includes(name) ? value : undefined;
}

function libraryArray(value: object, given: Transferable[]): unknown {
  const { nj, tf } = globalThis as Libraries;
  if (tf?.Tensor && value instanceof tf.Tensor) {
    const { shape, dtype } = value as unknown as { shape: number[]; dtype: string };
    const data = (value as unknown as { dataSync(): ArrayBufferView }).dataSync();
    return ndarray(bytesOf(data), shape, dtype);
  }
  if (!nj?.NdArray || !(value instanceof nj.NdArray)) return undefined;
  const { shape, selection } = value as unknown as {
    shape: number[];
    selection: { data: ArrayBufferView | number[] };
  };
  const data = ArrayBuffer.isView(selection.data)
    ? selection.data
    : Float64Array.from(selection.data);
  const buffer = bytesOf(data);
  if ((value as Plain)["_transfer"] && buffer === data.buffer) given.push(buffer);
  return ndarray(buffer, shape, dtypeOf(data) ?? "float64");
}

function ndarray(buffer: ArrayBuffer, shape: readonly number[], dtype: string): Typed {
  return { _rtype: "ndarray", _rvalue: buffer, _rshape: [...shape], _rdtype: dtype };
}

function fromWire(typed: Typed): unknown {
  const { _rtype, _rvalue, _rdtype, _rshape, _rname, _rmime, _rpath } = typed;
  switch (_rtype) {
    case "ndarray":
      return arrayOfLibrary(_rvalue, _rdtype, _rshape);
    case "error":
      return new Error(messageOf(_rvalue));
    case "file": {
      const isFile = className(Object(_rvalue)) === "File";
      const file = isFile
        ? (_rvalue as File)
        : new File([bytesOf(_rvalue)], String(_rname ?? "file"), { type: String(_rmime ?? "") });
      return Object.assign(file, { _path: _rpath });
    }
    case "typedarray":
      return numbersIn(_rvalue, _rdtype);
    case "memoryview":
      return new DataView(bytesOf(_rvalue));
    case "blob": {
      const isBlob = ["Blob", "File"].includes(className(Object(_rvalue)));
      if (isBlob) return _rvalue;
      const content = typeof _rvalue === "string" ? _rvalue : bytesOf(_rvalue);
      return new Blob([content], { type: String(_rmime ?? "") });
    }
    case "set":
      return new Set(_rvalue as unknown[]);
    case "orderedmap":
      return new Map(pairs(_rvalue as unknown[]));
    default:
      return undefined;
  }
}

/** What a Python peer sends as a map may be its keys only. */
export function pairs(list: readonly unknown[]): [unknown, unknown][] {
  return list.map((entry) => (Array.isArray(entry) ? [entry[0], entry[1]] : [entry, undefined]));
}

/** Without a library an array stays the map that it came as: viewers rely on that. */
function arrayOfLibrary(value: unknown, dtype: unknown, shape: unknown): unknown {
  const { nj, tf } = globalThis as Libraries;
  if (nj) {
    const flat = nj.array(Array.from(numbersIn(value, dtype) as ArrayLike<unknown>), String(dtype));
    return Reflect.apply(flat["reshape"] as Callable, flat, [shape]);
  }
  if (tf?.Tensor) return tf.tensor(numbersIn(value, dtype), shape, dtype);
  return undefined;
}
