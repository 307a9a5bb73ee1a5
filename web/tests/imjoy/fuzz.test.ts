/** Whatever a frame sends, its page reads it or says in one error that it cannot; and what it reads can be sent on. */
import { expect, test } from "vitest";
import { decode } from "../../src/imjoy/decoder.ts";
import type { Link, Message } from "../../src/imjoy/messages.ts";
import { Session } from "../../src/imjoy/session.ts";
import { V1Error } from "../../src/imjoy/values.ts";
import { describe as info } from "../../src/rpc/exposed.ts";
import { ValueWriter } from "../../src/rpc/value_writer.ts";
import { fromFrame, toFrame } from "../../src/workers/carried.ts";
import { random } from "../viewer/random.ts";
import { wrongInSession } from "./long_fuzz.ts";
import { anything, callables, READERS } from "./strange.ts";

/** Milliseconds: on a busy computer it takes long. */
const PATIENCE = 60_000;

test.each(READERS)(
  "%s reads anything, or throws a V1Error",
  async (_, arrivals) => {
    const next = random(7);
    let read = 0;
    for (let n = 0; n < 4000; n++) {
      const value = anything(next);
      try {
        const decoded = decode(value, arrivals, callables);
        await Promise.all(decoded.pending);
        read += 1;
      } catch (error) {
        expect(error).toBeInstanceOf(V1Error);
      }
    }
    expect(read).toBeGreaterThan(2000);
  },
  PATIENCE,
);

test(
  "a session takes any messages, and holds nothing when it has ended",
  async () => {
    const next = random(9);
    for (let n = 0; n < 300; n++) expect(await wrongInSession(next)).toEqual([]);
  },
  PATIENCE,
);

test(
  "what a page has read can be carried on, and goes back to a frame",
  async () => {
    const next = random(8);
    for (let n = 0; n < 4000; n++) {
      const value = anything(next);
      let decoded: ReturnType<typeof decode>;
      try {
        decoded = decode(value, fromFrame, callables);
      } catch {
        continue;
      }
      await Promise.all(decoded.pending);
      const objects: object[] = [];
      const send = (object: object) => info(objects.push(object), object);
      new ValueWriter({ home: () => null, send }).pack(decoded.value);
      const sent: Message[] = [];
      const link: Pick<Link, "send"> = {
        send: (message, given = []) => {
          sent.push(structuredClone(message, { transfer: given }) as Message);
        },
      };
      const session = new Session({ link, natives: toFrame, arrivals: fromFrame });
      await offered(session, { value: decoded.value });
      expect(sent.length).toBeLessThanOrEqual(1);
    }
  },
  PATIENCE,
);

/** Sends it as a frame's interface; what cannot be told apart from a broken value may be refused. */
async function offered(session: Session, api: object): Promise<void> {
  const refused = session.offer(api).catch((error: unknown) => error);
  const error = await Promise.race([refused, new Promise((resolve) => setTimeout(resolve, 0))]);
  if (error !== undefined) expect(error).toBeInstanceOf(V1Error);
}

test("values that contain themselves, and names that lead out of an object, are refused", () => {
  const round: Record<string, unknown> = {};
  round["round"] = round;
  expect(() => decode(round, fromFrame, callables)).toThrow(V1Error);
  const polluted = JSON.parse(
    '{"__proto__": {"polluted": 1}, "a": {"__proto__": {"polluted": 1}}}',
  );
  const { value } = decode(polluted, fromFrame, callables);
  expect((value as { polluted?: unknown }).polluted).toBeUndefined();
  expect((value as { a: { polluted?: unknown } }).a.polluted).toBeUndefined();
});

test.each(["constructor", "__proto__.toString", "toString", "run.constructor", "run.call", "gone"])(
  "a frame cannot call %s of an object of the page",
  async (name) => {
    const sent: Message[] = [];
    const link: Pick<Link, "send"> = { send: (message) => void sent.push(message) };
    const session = new Session({ link, natives: toFrame, arrivals: fromFrame });
    void session.offer({ _rintf: "api", run: () => 1 });
    await new Promise((resolve) => setTimeout(resolve, 0));
    const promise = [1, 2].map((id) => ({ _rtype: "callback", _rvalue: id }));
    session.receive({ type: "method", object_id: "api", name, args: [], promise });
    await new Promise((resolve) => setTimeout(resolve, 0));
    const answer = sent.at(-1);
    expect(answer?.["id"]).toBe(2);
    expect(answer?.["args"]).toEqual([expect.objectContaining({ _rtype: "error" })]);
  },
);
