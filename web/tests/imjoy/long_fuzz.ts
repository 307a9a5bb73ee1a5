/**
 * Reads strange values and messages of v1 for a time, as the app's page and as a plugin: `node long_fuzz.ts SECONDS SEED`
 * prints, as JSON, how many, what went wrong, and the memory in use after a tenth of the time and at its end.
 */

import process, { argv, memoryUsage } from "node:process";
import { inspect } from "node:util";
import { decode } from "../../src/imjoy/decoder.ts";
import type { Message } from "../../src/imjoy/messages.ts";
import { Session } from "../../src/imjoy/session.ts";
import { V1Error } from "../../src/imjoy/values.ts";
import { toFrame } from "../../src/workers/carried.ts";
import { random, whole } from "../viewer/random.ts";
import { anything, callables, message, READERS } from "./strange.ts";

const SHOWN = 10;

/** What readers throw at one value that is no V1Error. */
export async function wrongAtValue(next: () => number): Promise<unknown[]> {
  const value = anything(next);
  const wrong: unknown[] = [];
  for (const [, arrivals] of READERS) {
    try {
      await Promise.all(decode(value, arrivals, callables).pending);
    } catch (error) {
      if (!(error instanceof V1Error)) wrong.push(error);
    }
  }
  return wrong;
}

/** What a session throws that gets some messages. Errors that it tells of are none: it has read them. */
export async function wrongInSession(next: () => number): Promise<unknown[]> {
  const wrong: unknown[] = [];
  for (const [, arrivals] of READERS) {
    const sent: Message[] = [];
    const link = { send: (one: Message) => void sent.push(one) };
    const session = new Session({ link, natives: toFrame, arrivals, failed: () => undefined });
    const api = { _rintf: "api", run: (...args: unknown[]) => args, setup: () => null };
    const offered = session.offer(api).catch((error: unknown) => wrong.push(error));
    for (let n = whole(next, 1, 8); n > 0; n--) {
      const one = message(next);
      try {
        if (!session.receive(one) && one.type === "setInterface") await session.taken(one);
      } catch (error) {
        if (!(error instanceof V1Error)) wrong.push(error);
      }
    }
    await new Promise((resolve) => setImmediate(resolve));
    session.receive({ type: "interfaceSetAsRemote" });
    await offered;
    session.end("the end");
    if (session.held > 0) wrong.push(new Error(`${session.held} objects are held after the end`));
  }
  return wrong;
}

async function main(seconds: number, seed: number): Promise<void> {
  const next = random(seed);
  const began = performance.now();
  const elapsed = () => (performance.now() - began) / 1000;
  const found: unknown[] = [];
  process.on("unhandledRejection", (error) => void found.push(error));
  // Of this process: that others keep the computer busy is not its fault.
  const used = () => process.cpuUsage().user / 1e6;
  let [count, slow, first] = [0, 0, 0];
  while (elapsed() < seconds) {
    const before = used();
    found.push(...(await wrongAtValue(next)), ...(await wrongInSession(next)));
    count += 2;
    const took = used() - before;
    if (took > 1) {
      slow += 1;
      process.stderr.write(
        `${took.toFixed(1)} s for the values and messages ${count - 1} and ${count}\n`,
      );
    }
    if (!first && elapsed() > seconds / 10) first = memoryUsage().rss;
  }
  for (const error of found.slice(0, SHOWN)) process.stderr.write(`${inspect(error)}\n`);
  const last = memoryUsage().rss;
  const told = { count, wrong: found.length + slow, first: first || last, last };
  process.stdout.write(`${JSON.stringify(told)}\n`);
}

if (argv[1]?.endsWith("long_fuzz.ts")) await main(Number(argv[2] ?? 10), Number(argv[3] ?? 1));
