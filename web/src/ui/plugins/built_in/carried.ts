/** Values that plugins send, as what a page can show of them (protocol/IMJOY.md, "Values"). Pure. */
import { NdArray } from "../../../rpc/index.ts";

type Fields = Readonly<Record<string, unknown>>;

export function fieldsOf(value: unknown): Fields {
  return typeof value === "object" && value !== null && !Array.isArray(value)
    ? (value as Fields)
    : {};
}

/** Bytes, a blob or a file, as it was carried. */
export function blobOf(value: unknown, mime: string): Blob {
  const type = mime || "application/octet-stream";
  if (typeof value === "string") return new Blob([value], { type: mime || "text/plain" });
  const { _rvalue, _rmime } = fieldsOf(value);
  const bytes = bytesOf(_rvalue ?? value);
  if (bytes) return new Blob([bytes], { type: typeof _rmime === "string" ? _rmime : type });
  throw new TypeError("There are no bytes in what should be saved.");
}

export function bytesOf(value: unknown): Uint8Array<ArrayBuffer> | null {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  if (value instanceof NdArray) return bytesOf(value.data);
  if (ArrayBuffer.isView(value)) {
    return new Uint8Array(value.buffer as ArrayBuffer, value.byteOffset, value.byteLength);
  }
  return null;
}

/** Addresses that show a picture without asking anybody. */
export function isPicture(address: string): boolean {
  return /^(?:data:image\/|blob:)/i.test(address);
}

/** As text, for people: large values shortened. */
export function valueText(value: unknown): string {
  const seen = new Set<unknown>();
  const text = JSON.stringify(
    value,
    (_, one: unknown) => {
      if (typeof one === "bigint") return String(one);
      if (typeof one === "function") return "(a function)";
      if (one instanceof NdArray) return `(an array of ${one.dtype}, ${one.shape.join(" × ")})`;
      const bytes = bytesOf(one);
      if (bytes) return `(${bytes.length} bytes)`;
      if (typeof one === "object" && one !== null) {
        if (seen.has(one)) return "(as above)";
        seen.add(one);
      }
      return one;
    },
    2,
  );
  return text ?? "nothing";
}
