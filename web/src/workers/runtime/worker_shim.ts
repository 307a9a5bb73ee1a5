/** `new Worker(address)` in an opaque origin, which may start workers of its own text only: a text that loads the address. */

/** Text of a worker that behaves as if it had been loaded from `address`. */
export function workerText(address: string, isModule: boolean): string {
  const place = JSON.stringify(address);
  if (isModule) return `${RELATIVE(place)}\nawait import(${place});`;
  return `${RELATIVE(place)}\nimportScripts(${place});`;
}

/** Addresses are meant relative to the script, not to a blob. */
const RELATIVE = (place: string) => `(() => {
  const at = (address) => new URL(address, ${place}).href;
  const { fetch: get, importScripts: load } = self;
  self.fetch = (what, options) => get.call(self, typeof what === "string" ? at(what) : what, options);
  if (load) self.importScripts = (...all) => load.apply(self, all.map(at));
  const { open } = XMLHttpRequest.prototype;
  XMLHttpRequest.prototype.open = function (method, address, ...rest) {
    return open.call(this, method, at(address), ...rest);
  };
})();`;

export function blobOf(text: string): string {
  return URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
}

export function shimWorkers(): void {
  if (typeof Worker === "undefined" || globalThis.origin !== "null") return;
  const Original = Worker;
  class BlobWorker extends Original {
    constructor(address: string | URL, options: WorkerOptions = {}) {
      const base = typeof document === "undefined" ? location.href : document.baseURI;
      const whole = new URL(address, base).href;
      if (/^(blob|data):/.test(whole)) {
        super(whole, options);
        return;
      }
      super(blobOf(workerText(whole, options.type === "module")), options);
    }
  }
  Object.defineProperty(globalThis, "Worker", {
    configurable: true,
    writable: true,
    value: BlobWorker,
  });
}
