/** What nobody would send: values and messages of v1, made of pieces that matter to who reads them. */
import type { Arrivals } from "../../src/imjoy/decoder.ts";
import type { Message } from "../../src/imjoy/messages.ts";
import { pluginArrivals } from "../../src/imjoy/natives.ts";
import { fromFrame } from "../../src/workers/carried.ts";
import { whole } from "../viewer/random.ts";

const TYPES =
  "callback interface ndarray typedarray memoryview blob file error set orderedmap date own constructor __proto__".split(
    " ",
  );
const KEYS =
  "a b _rtype _rvalue _rintf _rshape _rdtype _rname _rmime _rtarget_id __transferables__ toString".split(
    " ",
  );
const DTYPES = ["uint8", "float32", "int64", "complex64", "datetime64", "toString", "", "U3"];
export const callables = { callback: () => () => undefined, method: () => () => undefined };

/** A value such as v1 sends, or nearly so. */
export function anything(next: () => number, depth = 0): unknown {
  const pick = <T>(list: readonly T[]): T => list[whole(next, 0, list.length - 1)] as T;
  const inner = () => anything(next, depth + 1);
  switch (whole(next, 0, depth > 5 ? 6 : 12)) {
    case 0:
      return pick([null, undefined, true, false, "", "ä", "_rtype"]);
    case 1:
      return pick([0, -1, 1.5, Number.NaN, 2 ** 60, 10n]);
    case 2:
      return new ArrayBuffer(whole(next, 0, 9));
    case 3:
      return pick([Uint8Array.of(1, 2), Float64Array.of(1), BigInt64Array.of(1n)]);
    case 4:
      return pick([new Date(0), /x/, new Error("no"), new Set([1]), new Map([[1, 2]])]);
    case 5:
      return pick([new DataView(new ArrayBuffer(3)), new Blob(["a"]), new File(["a"], "b")]);
    case 6:
      return pick(DTYPES);
    case 7:
      return Array.from({ length: whole(next, 0, 3) }, inner);
    default: {
      const map = Object.fromEntries(
        Array.from({ length: whole(next, 0, 4) }, () => [pick(KEYS), inner()]),
      );
      if (next() < 0.7) map["_rtype"] = pick(TYPES);
      if (next() < 0.3) map["_rdtype"] = pick(DTYPES);
      if (next() < 0.3) map["_rshape"] = [whole(next, 0, 3), whole(next, 0, 3)];
      return map;
    }
  }
}

const MESSAGES =
  "method callback disposeObject disposed interfaceSetAsRemote getInterface setInterface other".split(
    " ",
  );
const NAMES = ["run", "deep.er", "setup", "constructor", "__proto__.a", "run.call", "", 3, null];

/** A message such as v1 sends, or nearly so. */
export function message(next: () => number): Message {
  const pick = <T>(list: readonly T[]): T => list[whole(next, 0, list.length - 1)] as T;
  const made: Record<string, unknown> = { type: pick(MESSAGES) };
  for (const key of ["args", "api", "promise", "error", "id", "object_id", "with_kwargs"]) {
    if (next() < 0.5) made[key] = anything(next, 2);
  }
  if (next() < 0.7) made["name"] = pick(NAMES);
  if (next() < 0.7) made["object_id"] = "api";
  if (next() < 0.4) made["id"] = whole(next, 0, 9);
  if (next() < 0.5) made["args"] = [anything(next, 3), anything(next, 3)];
  if (next() < 0.5) made["promise"] = [1, 2].map((id) => ({ _rtype: "callback", _rvalue: id }));
  return made as Message;
}

/** Who reads values: the app's page what a frame sends, and a plugin in its frame what the page sends. */
export const READERS: readonly [string, Arrivals][] = [
  ["a page", fromFrame],
  ["a plugin", pluginArrivals(new Map(), () => undefined)],
];
