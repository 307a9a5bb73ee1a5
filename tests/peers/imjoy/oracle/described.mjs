/** Values of plugins as JSON says them: what `tests/end_to_end/oracle/described.py` does for those that Opsin carries. */

const DTYPES = {
  Int8Array: "int8",
  Int16Array: "int16",
  Int32Array: "int32",
  Uint8Array: "uint8",
  Uint8ClampedArray: "uint8",
  Uint16Array: "uint16",
  Uint32Array: "uint32",
  Float32Array: "float32",
  Float64Array: "float64",
};
const DEEPEST = 12;

/** `pending` gets promises: the description is complete when they are done. */
export function described(value, pending, depth = 0) {
  if (value === undefined || value === null) return null;
  if (typeof value === "function") return { function: true };
  if (typeof value === "bigint") return { integer: String(value) };
  if (typeof value === "number") return Number.isFinite(value) ? value : { number: String(value) };
  if (typeof value !== "object") return value;
  if (depth > DEEPEST) return { deeper: true };
  const inner = (one) => described(one, pending, depth + 1);
  const name = Object.prototype.toString.call(value).slice(8, -1);
  if (name === "Array") return value.map(inner);
  if (name === "ArrayBuffer") return { bytes: [...new Uint8Array(value)] };
  if (name === "DataView") return { memoryview: bytes(value) };
  if (name in DTYPES) return { typedarray: DTYPES[name], values: [...value].map(inner) };
  if (name === "Error" || value instanceof Error) return { error: value.message };
  if (name === "Set") return { set: [...value].map(inner) };
  if (name === "Map") return { map: [...value].map((entry) => entry.map(inner)) };
  if (name === "Date") return { date: value.getTime() };
  if (name === "RegExp") return { regexp: value.source, flags: value.flags };
  if (name === "Blob" || name === "File") return file(value, name, pending);
  if (name !== "Object") return { browser: name };
  if (value._rtype === "ndarray") return ndarray(value, inner);
  const keys = Object.keys(value).filter((key) => key !== "_rintf");
  return Object.fromEntries(keys.sort().map((key) => [key, inner(value[key])]));
}

function bytes({ buffer, byteOffset, byteLength }) {
  return [...new Uint8Array(buffer, byteOffset, byteLength)];
}

function file(value, name, pending) {
  const about = name === "File" ? { file: value.name } : { blob: true };
  const written = { ...about, mime: value.type, text: null };
  const read = async () => {
    written.text = await value.text();
  };
  pending.push(read());
  return written;
}

/** As imjoy-core has it where no library of arrays is loaded: the map of the wire. */
function ndarray({ _rvalue, _rshape, _rdtype }, inner) {
  const buffer = ArrayBuffer.isView(_rvalue) ? _rvalue.slice().buffer : _rvalue;
  const [type] = Object.entries(DTYPES).find(([, dtype]) => dtype === _rdtype);
  const values = new globalThis[type](buffer);
  return { ndarray: _rdtype, shape: _rshape, values: [...values].map(inner) };
}

/** A value of a case: JSON, in which `{"$": kind, …}` stands for what JSON has not. */
export function made(value) {
  if (Array.isArray(value)) return value.map(made);
  if (typeof value !== "object" || value === null) return value;
  const { $: kind, values, text, mime, name, shape } = value;
  if (kind === undefined) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, made(one)]));
  }
  if (kind === "bytes") return Uint8Array.from(values).buffer;
  if (kind === "memoryview") return new DataView(Uint8Array.from(values).buffer);
  if (kind === "blob") return new Blob([text], { type: mime });
  if (kind === "file") return new File([text], name, { type: mime });
  if (kind === "error") return new Error(text);
  if (kind === "set") return new Set(made(values));
  if (kind === "map") return new Map(made(values));
  if (kind === "date") return new Date(values);
  const [type] = Object.entries(DTYPES).find(([, dtype]) => dtype === kind);
  const array = globalThis[type].from(values);
  if (!shape) return array;
  return { _rtype: "ndarray", _rvalue: array.buffer, _rshape: shape, _rdtype: kind };
}
