/** What runs in Opsin's own frame: says hello, and becomes the page of a plugin, or starts its worker. */
import { portLink } from "../../imjoy/messages.ts";
import { randomId } from "../../imjoy/stores.ts";
import { isPlain, messageOf, type Plain } from "../../imjoy/values.ts";
import { joinPage, tellFailures } from "./joined.ts";
import { installLoader } from "./loader.ts";
import { runInPage } from "./page_orders.ts";
import { shim } from "./shims.ts";
import { blobOf, workerText } from "./worker_shim.ts";

const id = randomId();
/** Kinds that run beside the page. */
const WORKERS = ["web-worker", "rpc-worker", "web-python"];
const own = document.currentScript instanceof HTMLScriptElement ? document.currentScript.src : "";

shim();
installLoader();
window.addEventListener("message", initialize);
window.parent.postMessage({ type: "imjoyRPCReady", config: {}, peer_id: id }, "*");

function initialize(event: MessageEvent): void {
  const { data, source, ports } = event;
  const isOurs = source === window.parent && isPlain(data) && data["type"] === "initialize";
  const port = ports[0];
  if (!isOurs || data["peer_id"] !== id || !port) return;
  window.removeEventListener("message", initialize);
  const config = isPlain(data["config"]) ? data["config"] : {};
  if (WORKERS.includes(String(config["type"]))) {
    startWorker(config, port).catch((error: unknown) =>
      port.postMessage({ type: "initialized", error: messageOf(error) }),
    );
  } else {
    const link = portLink(port);
    tellFailures(link);
    void joinPage(link, config, runInPage);
  }
}

/** Opsin's own worker takes the port; one of the plugin speaks as ImJoy's do, and is handed on. */
async function startWorker(config: Plain, port: MessagePort): Promise<void> {
  const name = String(config["name"] ?? "");
  const { base_worker: base } = config;
  // What the host serves lies beside this page.
  const address = new URL(typeof base === "string" ? base : "worker.js", own).href;
  // Pyodide runs in modules alone. What a module imports would have to be one that may be a worker.
  const isPython = config["type"] === "web-python";
  const text = isPython ? await (await fetch(address)).text() : workerText(address, false);
  const worker = isPython
    ? new Worker(`data:text/javascript,${encodeURIComponent(text)}`, { name, type: "module" })
    : new Worker(blobOf(text), { name });
  worker.addEventListener("error", (event) => {
    const message = event.message || `${address} cannot be run as a worker.`;
    port.postMessage({ type: "initialized", error: message });
    port.postMessage({ type: "error", message });
  });
  if (typeof base !== "string") {
    const whole = { ...config, base: new URL("./", own).href };
    worker.postMessage({ type: "initialize", config: whole }, [port]);
    return;
  }
  worker.addEventListener("message", ({ data }) => {
    if (isPlain(data) && data["type"] === "imjoyRPCReady") {
      worker.postMessage({ type: "initialize", config, peer_id: data["peer_id"] });
    } else port.postMessage(data);
  });
  port.addEventListener("message", ({ data }) => worker.postMessage(data));
  port.start();
}
