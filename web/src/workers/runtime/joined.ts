/** Joins a plugin in this page or worker to Opsin's page: `api`, and the code that is sent. */
import { type Link, portLink, windowLink } from "../../imjoy/messages.ts";
import { join, type PluginApi, type PluginConfig } from "../../imjoy/plugin_side.ts";
import { messageOf } from "../../imjoy/values.ts";
import { type Order, orderIn } from "./orders.ts";

export type Run = (order: Order, api: PluginApi) => Promise<void>;

/** Joins, makes `api` a global where it is wanted, and tells what fails where nobody waits for it. */
export async function joinPage(link: Link, config: PluginConfig, run?: Run): Promise<PluginApi> {
  const api = await join(link, {
    config,
    execute: async (code, own) => {
      // Also where a plugin has put another one there meanwhile.
      if (!Reflect.has(globalThis, "api")) Reflect.set(globalThis, "api", own);
      await run?.(orderIn(code), own);
    },
    failed: (error) => tell(link, "error", error),
  });
  if (config["expose_api_globally"]) Reflect.set(globalThis, "api", api);
  return api;
}

/** Addresses that a plugin is told of, of those that it may not reach. */
const MOST_REFUSED = 20;

/** What the plugin throws where nobody waits for it, and what it may not reach, is in its log too. */
export function tellFailures(link: Link): void {
  globalThis.addEventListener("error", (event) => {
    const { error, message } = event as ErrorEvent;
    tell(link, "error", error ?? message);
  });
  globalThis.addEventListener("unhandledrejection", (event) => {
    tell(link, "error", (event as PromiseRejectionEvent).reason);
  });
  const refused = new Set<string>();
  globalThis.addEventListener("securitypolicyviolation", (event) => {
    const { blockedURI: address } = event as SecurityPolicyViolationEvent;
    const isNew = /^(https?|wss?):/.test(address) && !refused.has(address);
    if (!isNew || refused.size === MOST_REFUSED) return;
    refused.add(address);
    const text = `${address} cannot be reached: the plugin is not allowed the network.`;
    link.send({ type: "error", level: "error", message: text });
  });
}

function tell(link: Link, level: string, error: unknown): void {
  const text = (error instanceof Error && error.stack) || messageOf(error);
  link.send({ type: "error", level, message: text });
}

/** The link to whoever has this page in a frame, or started this worker. */
export function outerLink(): Link {
  if (typeof document === "undefined") return portLink(globalThis as unknown as MessagePort);
  return windowLink(window, () => window.parent);
}
