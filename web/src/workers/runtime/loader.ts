/** What `imjoy-loader.js` gives to pages: ImJoy's library by its public names, which is Opsin's own here. */
import { API_VERSION } from "../../imjoy/messages.ts";
import type { PluginApi, PluginConfig } from "../../imjoy/plugin_side.ts";
import { randomId } from "../../imjoy/stores.ts";
import { isPlain, V1Error } from "../../imjoy/values.ts";
import { joinPage, outerLink, tellFailures } from "./joined.ts";
import { orderIn } from "./orders.ts";
import { runInPage } from "./page_orders.ts";
import { runInWorker } from "./worker_orders.ts";

/** The version of ImJoy's library that this one stands in for. */
const VERSION = "0.5.59";

const isPage = typeof document !== "undefined";
const run = isPage ? runInPage : runInWorker;

/** Joins the page that this one lies in, and gives its `api`. */
export async function setupRPC(config: PluginConfig = {}): Promise<PluginApi> {
  if (isPage && window.parent === window) {
    throw new V1Error("This page joins Opsin or ImJoy when it is opened as a window there.");
  }
  const link = outerLink();
  tellFailures(link);
  return await joinPage(link, { ...config, name: config.name ?? randomId() }, run);
}

/** Waits until it is told what it is, as frames of ImJoy do. */
function waitForInitialization(config: PluginConfig = {}): void {
  const link = outerLink();
  const peer_id = randomId();
  link.listen((message) => {
    if (message.type !== "initialize" || message["peer_id"] !== peer_id) return;
    link.close();
    const given = isPlain(message["config"]) ? message["config"] : {};
    void setupRPC({ ...config, ...given });
  });
  link.send({ type: "imjoyRPCReady", config: {}, peer_id });
}

async function loadRequirements(requirements: string | readonly string[]): Promise<void> {
  await run(orderIn({ type: "requirements", requirements }));
}

export const imjoyRPC = {
  VERSION,
  API_VERSION,
  setupRPC,
  waitForInitialization,
  loadRequirements,
};

type LoaderConfig = { readonly api_version?: string };

async function loadImJoyRPC({ api_version }: LoaderConfig = {}): Promise<typeof imjoyRPC> {
  if (api_version === undefined || api_version.startsWith("0.2.")) return imjoyRPC;
  throw new V1Error(`Opsin speaks version ${API_VERSION} of ImJoy's protocol, not ${api_version}.`);
}

function loadImJoyCore(): Promise<never> {
  return Promise.reject(new V1Error("This page lies in Opsin already: use loadImJoyRPC()."));
}

/** Puts the library where pages look for it. */
export function installLoader(): void {
  const loader = { loadImJoyRPC, loadImJoyCore, loadImJoyRPCByQueryString: () => loadImJoyRPC() };
  Object.assign(globalThis, loader, { imjoyLoader: loader, imjoyRPC });
  type Define = { (name: string, make: () => unknown): void; amd?: unknown };
  const { define } = globalThis as { define?: Define };
  if (typeof define === "function" && define.amd) {
    define("imjoyLoader", () => loader);
    define("imjoyRPC", () => imjoyRPC);
  }
}
