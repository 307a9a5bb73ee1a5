/** Remotes: proxies of objects that live on the other side. */
import type { Call } from "./call.ts";
import { type Arguments, kwargs, options, splitArguments } from "./call_marks.ts";
import type { Method } from "./exposed.ts";
import { ITERABLE } from "./extensions.ts";
import type { ObjectInfo } from "./object_info.ts";

/** How often the other side sent an object that it counts until it is given back. */
export type Lease = { readonly object: number; count: number };

/** The peer behind a remote. */
export type Link = {
  call(handle: Handle, method: string, content: Arguments): Call;
  notify(handle: Handle, method: string, content: Arguments): void;
  release(handle: Handle): void;
};

/** What stands behind a remote and all that is reached through it. While it lives, so does the object. */
export class Handle {
  readonly link: Link;
  readonly lease: Lease;
  readonly kind: number;
  readonly name: string;
  readonly doc: string | null;
  readonly methods: readonly string[] | null;
  readonly remote: object;
  /** Nothing can be called any more; given back when no call needs it. */
  isReleased = false;
  /** Calls that need it. */
  pins = 0;
  /** Whether it stays after the call that it was an argument of. */
  isKept = false;

  constructor(link: Link, lease: Lease, about: Omit<ObjectInfo, "object">) {
    this.link = link;
    this.lease = lease;
    this.kind = about.kind;
    this.name = about.name;
    this.doc = about.doc;
    this.methods = about.methods;
    this.remote = proxy(this, "");
  }

  check(): void {
    if (!this.isReleased) return;
    throw new TypeError(
      "This remote is released. One that came as a function argument lives for its call, unless kept: keep(remote).",
    );
  }
}

type Place = { readonly handle: Handle; readonly path: string };
const places = new WeakMap<object, Place>();

// Browsers before 2025 have none.
const DISPOSE: symbol | undefined = Symbol.dispose;
/** Names that the language itself asks objects for. */
const NOT_METHODS = ["then", "toJSON", "constructor", "prototype"];

function proxy(handle: Handle, path: string): object {
  const place: Place = { handle, path };
  const remote = new Proxy(function remote() {}, {
    get: (_, name) => property(place, name),
    apply: (_, __, args: unknown[]) => handle.link.call(handle, path, splitArguments(args)),
    has: (_, name) => name === Symbol.asyncIterator && property(place, name) !== undefined,
    set: () => {
      throw new TypeError("The attributes of a remote cannot be set: call a method that does it.");
    },
  });
  places.set(remote, place);
  return remote;
}

function property({ handle, path }: Place, name: string | symbol): unknown {
  if (path === "") {
    if (name === "release" || (DISPOSE && name === DISPOSE))
      return () => handle.link.release(handle);
    if (name === Symbol.asyncIterator && handle.kind === ITERABLE) {
      return () => handle.link.call(handle, "", splitArguments([]))[Symbol.asyncIterator]();
    }
  }
  if (name === Symbol.toStringTag) return "Remote";
  if (typeof name === "symbol" || NOT_METHODS.includes(name)) return undefined;
  return proxy(handle, path ? `${path}.${name}` : name);
}

/** The handle of a remote; null for anything else, also for what is reached through a remote. */
export function handleOf(value: object): Handle | null {
  const place = places.get(value);
  return place?.path === "" ? place.handle : null;
}

/** How a call goes on where its path has met a remote. */
export function forward(value: object, path: string): Method | null {
  const place = places.get(value);
  if (!place) return null;
  const whole = [place.path, path].filter((part) => part !== "").join(".");
  return (args, keywords, { signal, progress }) => {
    const passOn = options({
      signal,
      progress: ({ done, total, text }) => progress(done, total, text),
    });
    const all = [...args, kwargs(keywords), passOn];
    return place.handle.link.call(place.handle, whole, splitArguments(all));
  };
}

/** Calls a remote, or a method of one, and wants no answer: neither a result nor an error comes back. */
export function notify<A extends readonly unknown[]>(
  method: (...args: A) => unknown,
  ...args: A
): void {
  const place = places.get(method);
  if (!place) throw new TypeError("Only a remote can be notified.");
  place.handle.link.notify(place.handle, place.path, splitArguments(args));
}

/** Lets a function that came as an argument live after its call. Returns it. */
export function keep<T extends object>(remote: T): T {
  const handle = handleOf(remote);
  if (!handle) throw new TypeError("Only remotes can be kept.");
  handle.isKept = true;
  return remote;
}

/** What its owner says of a remote. */
export function about(remote: object): Pick<ObjectInfo, "name" | "doc" | "methods"> {
  const handle = handleOf(remote);
  if (!handle) throw new TypeError("This is not a remote.");
  return { name: handle.name, doc: handle.doc, methods: handle.methods };
}
