/** Values of plugins, as they are carried to the host and back (protocol/IMJOY.md, "Values"). */
import type { Arrivals } from "../imjoy/decoder.ts";
import type { Natives } from "../imjoy/encoder.ts";
import type { Callable } from "../imjoy/stores.ts";
import { bytesOf, className, dtypeOf, messageOf, numbersIn, type Typed } from "../imjoy/values.ts";
import { LazyArray } from "../rpc/lazy_array.ts";
import { NdArray } from "../rpc/ndarray.ts";
import { handleOf, keep } from "../rpc/remote.ts";
import { Complex } from "../rpc/values.ts";
import { zarrStore } from "./zarr_store.ts";

/** What of the host's goes to a frame. Functions of it may be called as often as the plugin likes. */
export const toFrame: Natives = {
  isKept: (call) => {
    // What came as an argument lives for its call only, unless somebody says so.
    if (handleOf(call)) keep(call);
    return true;
  },
  toWire: (value) =>
    value instanceof Object && "_rtype" in value ? typed(value as Typed) : wire(value),
};

/** What of a frame's goes to the host. */
export const fromFrame: Arrivals = {
  isDeep: true,
  interfaceMark: () => true,
  interfaceCame: () => undefined,
  arrived: (value) => carried(value),
  fromWire: (value) => fromTyped(value),
};

/** What a plugin's call failed with, as an Error that the RPC sends. */
export function failureOf(error: unknown): Error {
  if (error instanceof Error) return error;
  const isWritten = className(Object(error)) === "Object" && (error as Typed)?._rtype === "error";
  return new Error(messageOf(isWritten ? (error as Typed)["_rvalue"] : error));
}

/** As itself where a structured clone can carry it: then it arrives within what nobody reads, too. */
function typed(value: Typed): unknown {
  const { _rtype, _rvalue, _rdtype, _rmime, _rname, _rpath } = value;
  switch (_rtype) {
    case "typedarray":
      return numbersIn(_rvalue, _rdtype);
    case "memoryview":
      return new DataView(bytesOf(_rvalue));
    case "blob":
      return new Blob([contentOf(_rvalue)], { type: String(_rmime ?? "") });
    case "file": {
      const file = new File([contentOf(_rvalue)], String(_rname ?? "file"), {
        type: String(_rmime ?? ""),
      });
      return { _rtype, _rvalue: file, _rname, _rmime, _rpath };
    }
    case "date":
      return new Date(Number(_rvalue));
    default:
      return undefined;
  }
}

function contentOf(value: unknown): string | ArrayBuffer {
  return typeof value === "string" ? value : bytesOf(value);
}

function wire(value: object): unknown {
  if (value instanceof NdArray) {
    // A copy of what is part of something larger; else the memory that came for this call alone.
    const { dtype, shape, data } = value;
    return { _rtype: "ndarray", _rvalue: bytesOf(data), _rshape: [...shape], _rdtype: dtype };
  }
  if (value instanceof LazyArray) return zarrStore(value);
  if (value instanceof Complex) return { _rtype: "complex", re: value.re, im: value.im };
  if (value instanceof Error) return { _rtype: "error", _rvalue: messageOf(value) };
  if (value instanceof Map) return { _rtype: "orderedmap", _rvalue: [...value] };
  if (value instanceof ArrayBuffer) return value;
  return undefined;
}

function fromTyped(value: Typed): unknown {
  const { _rtype, _rvalue, _rdtype, _rshape } = value;
  switch (_rtype) {
    case "ndarray":
      return NdArray.over(String(_rdtype), shapeIn(_rshape), bytesOf(_rvalue));
    case "typedarray":
      return { _rtype, _rvalue: bytesOf(_rvalue), _rdtype: String(_rdtype) };
    case "memoryview":
      return { _rtype, _rvalue: bytesOf(_rvalue) };
    case "blob":
    case "file":
      return isBlob(_rvalue) ? carried(_rvalue) : fileIn(value);
    case "error":
      return { _rtype, _rvalue: messageOf(_rvalue) };
    case "orderedmap":
    case "set":
      return { _rtype, _rvalue };
    default:
      return undefined;
  }
}

/** One that came as bytes or as text. */
function fileIn({ _rtype, _rvalue, _rname, _rmime, _rpath }: Typed): Typed {
  const about = Object.entries({ _rname, _rmime, _rpath }).filter(([, is]) => is !== undefined);
  const texts = about.map(([key, is]) => [key, String(is)] as const);
  return { _rtype, _rvalue: contentOf(_rvalue), ...Object.fromEntries(texts) };
}

function shapeIn(value: unknown): number[] {
  const sides: unknown[] = Array.isArray(value) ? value : [];
  return sides.map(Number);
}

/** What came as itself, by a structured clone. */
function carried(value: object): unknown {
  const name = className(value);
  if (name === "ArrayBuffer") return value;
  if (name === "DataView") return { _rtype: "memoryview", _rvalue: bytesOf(value) };
  if (ArrayBuffer.isView(value)) {
    return { _rtype: "typedarray", _rvalue: bytesOf(value), _rdtype: dtypeOf(value) };
  }
  if (isBlob(value)) return fromBlob(value);
  if (name === "Date") return { _rtype: "date", _rvalue: Number(value) };
  if (name === "Set") return listed("set", [...(value as Set<unknown>)].map(inside));
  if (name === "Map") {
    const entries = [...(value as Map<unknown, unknown>)];
    return listed(
      "orderedmap",
      entries.map(async (entry) => await Promise.all(entry.map(inside))),
    );
  }
  if (name === "ImageData") {
    const { data, width, height } = value as ImageData;
    return new NdArray("uint8", [height, width, 4], new Uint8Array(bytesOf(data)));
  }
  if (name === "FileList") return Promise.all(Array.from(value as FileList, fromBlob));
  if (name === "Error" || value instanceof Error) {
    return { _rtype: "error", _rvalue: messageOf(value) };
  }
  // Buttons, handles of files: what only a browser has cannot leave it.
  return { _rtype: "error", _rvalue: `A ${name} cannot leave the page.` };
}

async function listed(_rtype: string, items: readonly unknown[]): Promise<Typed> {
  return { _rtype, _rvalue: await Promise.all(items) };
}

function inside(value: unknown): unknown {
  return typeof value === "object" && value !== null && className(value) !== "Object"
    ? carried(value)
    : value;
}

function isBlob(value: unknown): value is Blob {
  return ["Blob", "File"].includes(className(Object(value)));
}

async function fromBlob(value: Blob): Promise<Typed> {
  const bytes = await value.arrayBuffer();
  if (className(value) === "Blob") return { _rtype: "blob", _rvalue: bytes, _rmime: value.type };
  const { name, type, webkitRelativePath } = value as File;
  return {
    _rtype: "file",
    _rvalue: bytes,
    _rname: name,
    _rmime: type,
    _rpath: webkitRelativePath || name,
  };
}

/** The object that a frame calls: functions by names with dots, and constants. */
export function apiOf(
  names: readonly string[],
  constants: Readonly<Record<string, unknown>>,
  call: (name: string, args: unknown[]) => unknown,
): Record<string, unknown> {
  const api: Record<string, unknown> = { ...constants };
  for (const name of names) {
    const parts = name.split(".");
    const last = parts.pop() ?? name;
    let place = api;
    for (const part of parts) {
      const inner = place[part];
      const next = typeof inner === "object" && inner !== null ? inner : {};
      place[part] = next;
      place = next as Record<string, unknown>;
    }
    const method: Callable = (...args) => call(name, args);
    place[last] = method;
  }
  return api;
}
