/**
 * Values between a page and the host, as ImJoy has them in a page (protocol/IMJOY.md, "Values"): arrays are maps with
 * `_rtype: "ndarray"`, functions can be called on both sides as often as one likes.
 */
import { type PluginCodec, pluginArrivals, pluginNatives } from "../imjoy/natives.ts";
import { className, isPlain, isTyped, type Plain, type Typed } from "../imjoy/values.ts";
import { handleOf, keep } from "../rpc/remote.ts";
import { fromFrame, toFrame } from "../workers/carried.ts";

type Callable = (...args: unknown[]) => unknown;

/** A page's functions, and those of the host, in the form that the other side has of them. */
const forHost = new WeakMap<Callable, Callable>();
const forPage = new WeakMap<Callable, Callable>();
/** The other way round: what comes home. */
const ofPage = new WeakMap<Callable, Callable>();
const ofHost = new WeakMap<Callable, Callable>();

/** How a page writes and reads types of its own. */
export const codecs = new Map<string, PluginCodec>();
const natives = pluginNatives(codecs);
const arrivals = pluginArrivals(codecs, () => undefined);

const LISTS = ["set", "orderedmap"];

export function fromHost(value: unknown): unknown {
  if (typeof value === "function") return pageFunction(value as Callable);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return value.map(fromHost);
  if (value instanceof Error) return value;
  const came: unknown = toFrame.toWire(value, []) ?? value;
  if (!isPlain(came)) return came;
  const map = Object.fromEntries(Object.entries(came).map(([key, one]) => [key, fromHost(one)]));
  return isTyped(map) ? (arrivals.fromWire(map) ?? map) : map;
}

export async function toHost(value: unknown): Promise<unknown> {
  if (typeof value === "function") return hostFunction(value as Callable, undefined);
  if (typeof value !== "object" || value === null) return value;
  if (Array.isArray(value)) return Promise.all(value.map(toHost));
  const wire = await natives.toWire(value, []);
  if (isTyped(wire)) return typed(wire);
  if (wire !== undefined && wire !== null) return fromFrame.arrived(wire as object);
  if (isTyped(value)) return typed(value);
  if (isPlain(value)) return entries(value, Object.keys(value));
  // What only a browser has cannot leave it, and says so over there.
  if (className(value) !== "Object") return fromFrame.arrived(value);
  return { ...(await entries(value as Plain, namesOf(value))), _rintf: true };
}

/** What a page offers: its functions and values, without those that begin with `_`. */
export async function interfaceOf(value: object): Promise<Plain> {
  const names = isPlain(value) ? Object.keys(value) : namesOf(value);
  const shown = names.filter((name) => !name.startsWith("_"));
  return entries(value as Plain, shown);
}

async function typed(value: Typed): Promise<unknown> {
  const { _rtype, _rvalue } = value;
  if (LISTS.includes(_rtype)) return { _rtype, _rvalue: await toHost(_rvalue) };
  const written = await fromFrame.fromWire(value);
  return written === undefined ? entries(value, Object.keys(value)) : written;
}

async function entries(owner: Plain, names: readonly string[]): Promise<Plain> {
  const found = names.map(async (name) => {
    const one = owner[name];
    const isFunction = typeof one === "function";
    return [name, isFunction ? hostFunction(one as Callable, owner) : await toHost(one)] as const;
  });
  return Object.fromEntries(await Promise.all(found));
}

function namesOf(value: object): string[] {
  const names = new Set<string>();
  let place: unknown = value;
  while (typeof place === "object" && place !== null && place !== Object.prototype) {
    for (const name of Object.getOwnPropertyNames(place)) names.add(name);
    place = Object.getPrototypeOf(place);
  }
  names.delete("constructor");
  return [...names].filter((name) => !name.startsWith("_"));
}

/** One of the page, as the host calls it. */
function hostFunction(call: Callable, owner: object | undefined): Callable {
  const known = ofHost.get(call) ?? forHost.get(call);
  if (known) return known;
  const called = async (...args: unknown[]) =>
    toHost(await Reflect.apply(call, owner, withoutMark(args.map(fromHost))));
  // A method is another function for every object that has it.
  if (!owner) forHost.set(call, called);
  ofPage.set(called, owner ? call.bind(owner) : call);
  return called;
}

/** One of the host, or of a frame that the host gives back, as the page calls it. */
function pageFunction(call: Callable): Callable {
  const known = ofPage.get(call) ?? forPage.get(call);
  if (known) return known;
  if (handleOf(call)) keep(call);
  const called = async (...args: unknown[]) =>
    fromHost(await call(...(await Promise.all(args.map(toHost)))));
  forPage.set(call, called);
  ofHost.set(called, call);
  return called;
}

/** Keywords of Python are a map for functions of JavaScript. */
function withoutMark(args: unknown[]): unknown[] {
  const last = args.at(-1);
  if (!isPlain(last) || !last["_rkwargs"]) return args;
  const { _rkwargs, ...keywords } = last;
  return [...args.slice(0, -1), keywords];
}
