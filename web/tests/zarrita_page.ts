/** What a page with zarrita reads of an OME-Zarr, for tests/end_to_end/test_clients.py. */

import * as zarr from "zarrita";

interface Found {
  readonly attributes: unknown;
  readonly shape: readonly number[];
  readonly dtype: string;
  readonly bytes: string;
}

/** A part of the array at `path` of the OME-Zarr at `address`: from `start` to before `stop`. */
async function read(
  address: string,
  path: string,
  start: readonly number[],
  stop: readonly number[],
): Promise<Found> {
  const group = await zarr.open.v3(new zarr.FetchStore(address), { kind: "group" });
  const array = await zarr.open.v3(group.resolve(path), { kind: "array" });
  const selection = start.map((from, axis) => zarr.slice(from, stop[axis] ?? null));
  const { data, shape } = await zarr.get(array, selection);
  if (!ArrayBuffer.isView(data)) throw new Error(`${array.dtype} is no typed array`);
  const bytes = new Uint8Array(data.buffer, data.byteOffset, data.byteLength);
  let text = "";
  for (const byte of bytes) text += String.fromCharCode(byte);
  return { attributes: group.attrs, shape, dtype: array.dtype, bytes: btoa(text) };
}

Object.assign(window, { read });
