/** What an opaque origin refuses to plugins, given to them as far as it can be: all of it ends with the frame. */
import { shimWorkers } from "./worker_shim.ts";

/** In a page or in a worker, before any code of a plugin. */
export function shim(): void {
  shimStorage("localStorage");
  shimStorage("sessionStorage");
  shimAbsent("indexedDB");
  shimAbsent("caches");
  shimCookies();
  shimWorkers();
}

function isRefused(name: string): boolean {
  try {
    return Reflect.get(globalThis, name) === null;
  } catch {
    return true;
  }
}

function put(name: string, value: unknown): void {
  Object.defineProperty(globalThis, name, { configurable: true, get: () => value });
}

/** In memory. */
function shimStorage(name: string): void {
  if (typeof document === "undefined" || !isRefused(name)) return;
  const kept = new Map<string, string>();
  const methods = {
    getItem: (key: unknown) => kept.get(String(key)) ?? null,
    setItem: (key: unknown, value: unknown) => void kept.set(String(key), String(value)),
    removeItem: (key: unknown) => void kept.delete(String(key)),
    clear: () => kept.clear(),
    key: (n: number) => [...kept.keys()][n] ?? null,
  };
  const isMethod = (key: PropertyKey) => Object.hasOwn(methods, key) || key === "length";
  const storage = new Proxy(methods, {
    get: (_, key) => {
      if (key === "length") return kept.size;
      if (isMethod(key)) return Reflect.get(methods, key);
      return typeof key === "string" ? kept.get(key) : undefined;
    },
    set: (_, key, value) => {
      if (typeof key === "string" && !isMethod(key)) kept.set(key, String(value));
      return true;
    },
    has: (_, key) => isMethod(key) || kept.has(String(key)),
    deleteProperty: (_, key) => kept.delete(String(key)) || true,
    ownKeys: () => [...kept.keys()],
    getOwnPropertyDescriptor: (_, key) =>
      kept.has(String(key))
        ? { configurable: true, enumerable: true, writable: true, value: kept.get(String(key)) }
        : undefined,
  });
  put(name, storage);
}

/** Programs look whether there is one; one that fails when it is used is worse than none. */
function shimAbsent(name: string): void {
  try {
    // In an opaque origin it is there, and opening anything fails.
    if (globalThis.origin === "null") put(name, undefined);
  } catch {}
}

function shimCookies(): void {
  if (typeof document === "undefined") return;
  try {
    void document.cookie;
  } catch {
    Object.defineProperty(document, "cookie", { configurable: true, get: () => "", set: () => {} });
  }
}
