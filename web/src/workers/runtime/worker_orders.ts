/** Runs a plugin's code in a worker. */
import { V1Error } from "../../imjoy/values.ts";
import { type Order, requirementIn, runModule, runText } from "./orders.ts";

type Loading = { importScripts(...addresses: string[]): void };

/** Throws where it fails, or cannot be had. */
export async function runInWorker({
  type,
  requirements,
  content,
  src,
  attrs,
}: Order): Promise<void> {
  if (type === "requirements") for (const line of requirements) await require(line);
  else if (type !== "script") throw new V1Error(`A worker has no page for code of type ${type}.`);
  else if (src) {
    if (attrs["type"] === "module") await import(/* @vite-ignore */ src);
    else load(src);
  } else if (attrs["type"] === "module") await runModule(content);
  else await runText(content);
}

async function require(line: string): Promise<void> {
  const { kind, address } = requirementIn(line);
  if (kind === "script") load(address);
  else if (kind === "module") await import(/* @vite-ignore */ address);
  else if (kind === "style") throw new V1Error(`A worker has no page for the style ${address}.`);
}

function load(address: string): void {
  (globalThis as unknown as Loading).importScripts(address);
}
