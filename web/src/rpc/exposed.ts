/** What the other side may see and call of an object of this side. Pure. */
import { type CallContext, takesContext } from "./call_context.ts";
import { FUNCTION, ITERABLE, THING } from "./extensions.ts";
import type { ObjectInfo } from "./object_info.ts";

const MOST_METHODS = 256;
const LONGEST_NAME = 200;
// They lead from an object to the inside of the program.
const PRIVATE = ["constructor", "prototype", "caller", "arguments"];

export function describe(number: number, object: object): ObjectInfo {
  const about = { object: number, doc: null, methods: null };
  const name = named(typeof object === "function" ? object : (object.constructor ?? Object));
  if (isIterable(object)) return { ...about, kind: ITERABLE, name };
  if (typeof object === "function") return { ...about, kind: FUNCTION, name };
  return { ...about, kind: THING, name, methods: methodsOf(object) };
}

/** Whether values can be asked of it one by one. Lists and texts are values, not sources of them. */
export function isIterable(value: unknown): value is AsyncIterable<unknown> | Iterable<unknown> {
  if (!isObject(value)) return false;
  if (Symbol.asyncIterator in value) return true;
  return Symbol.iterator in value && "next" in value;
}

/** How a call is made on what `methodAt` found. */
export type Method = (
  args: readonly unknown[],
  kwargs: Readonly<Record<string, unknown>>,
  context: CallContext,
) => unknown;

/**
 * The method at `path`, bound to what it is a method of; the empty path is the object itself.
 * `forward` says how a path goes on where it meets a remote of some other peer.
 */
export function methodAt(
  object: object,
  path: string,
  forward: (object: object, path: string) => Method | null,
): Method {
  const names = path === "" ? [] : path.split(".");
  let [owner, found]: [unknown, unknown] = [undefined, object];
  for (let i = 0; i <= names.length; i++) {
    const beyond = isObject(found) ? forward(found, names.slice(i).join(".")) : null;
    if (beyond) return beyond;
    const name = names[i];
    if (name !== undefined) [owner, found] = [found, publicPart(found, name)];
  }
  if (path === "" && isIterable(found)) return () => found;
  if (typeof found !== "function") {
    throw new TypeError(path ? `${path} is not a method.` : "This object cannot be called.");
  }
  const method = found;
  return (args, kwargs, context) => {
    // As JavaScript writes them: one object after the other arguments.
    const all = Object.keys(kwargs).length > 0 ? [...args, kwargs] : args;
    return Reflect.apply(method, owner, takesContext(method) ? [context, ...all] : all);
  };
}

function publicPart(object: unknown, name: string): unknown {
  if (isPublic(name) && isObject(object)) {
    for (let place: object | null = object; place && !isBuiltIn(place); ) {
      if (Object.hasOwn(place, name)) return Reflect.get(place, name, object);
      place = Object.getPrototypeOf(place);
    }
  }
  throw new TypeError(`There is no method ${name}.`);
}

function methodsOf(object: object): string[] {
  const names = new Set<string>();
  for (let place: object | null = object; place && !isBuiltIn(place); ) {
    for (const [name, property] of Object.entries(Object.getOwnPropertyDescriptors(place))) {
      // Looking at a getter would run it.
      if (isPublic(name) && typeof property.value === "function") names.add(name);
    }
    place = Object.getPrototypeOf(place);
  }
  return [...names].slice(0, MOST_METHODS);
}

function isPublic(name: string): boolean {
  return name !== "" && !name.startsWith("_") && !PRIVATE.includes(name);
}

function isObject(value: unknown): value is object {
  return (typeof value === "object" && value !== null) || typeof value === "function";
}

/** Whether it is the prototype of a class of the language, whose methods are nobody's service. */
function isBuiltIn(place: object): boolean {
  const { constructor: type } = place;
  return (
    typeof type === "function" &&
    type.prototype === place &&
    Function.prototype.toString.call(type).includes("[native code]")
  );
}

function named(something: object): string {
  const { name } = something as { readonly name?: unknown };
  return typeof name === "string" ? name.slice(0, LONGEST_NAME).toWellFormed() : "";
}
