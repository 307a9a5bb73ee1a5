/** Values for Python: what JavaScript can only read later is read before. */
import { className, isPlain } from "../../imjoy/values.ts";

/** The same with bytes in place of Blobs and Files. */
export async function withoutBlobs(value: unknown): Promise<unknown> {
  if (typeof value !== "object" || value === null) return value;
  const name = className(value);
  if (name === "Blob" || name === "File") {
    const { type } = value as Blob;
    const file = name === "File" ? { _rname: (value as File).name } : {};
    const bytes = await (value as Blob).arrayBuffer();
    return { _rtype: name.toLowerCase(), _rvalue: bytes, _rmime: type, ...file };
  }
  if (Array.isArray(value)) return await Promise.all(value.map(withoutBlobs));
  if (!isPlain(value)) return value;
  const entries = Object.entries(value).map(
    async ([key, content]) => [key, await withoutBlobs(content)] as const,
  );
  return Object.fromEntries(await Promise.all(entries));
}
