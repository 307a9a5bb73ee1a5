import { describe, expect, test } from "vitest";
import { random, whole } from "../../tests/viewer/random.ts";
import { ProtocolError } from "./errors.ts";
import type { Frame } from "./frames.ts";
import { decodeMessage, encodeMessage, type Message } from "./messages.ts";
import { FIRST_CREDIT } from "./outbox.ts";
import { Session, type SessionPolicy } from "./session.ts";
import type { Encoded, EncodedCall, Event } from "./session_events.ts";

const room = () => true;
const NULL = Uint8Array.of(0xc0);

function encoded(sizes: readonly number[] = [], undo = () => {}): Encoded {
  const buffers = sizes.map((size) => ({
    bytes: new Uint8Array(size).fill(size % 256),
    given: false,
  }));
  return { packed: NULL, buffers, undo };
}

function calling(flags = 0, sizes: readonly number[] = [], undo = () => {}): EncodedCall {
  const { buffers } = encoded(sizes);
  const [args, kwargs] = [Uint8Array.of(0x90), Uint8Array.of(0x80)];
  return { object: 0, method: "run", args, kwargs, flags, buffers, undo };
}

/** A session that has been greeted, and the frames it then writes. */
function greeted(policy: Partial<SessionPolicy> = {}) {
  const session = new Session({ isWhole: false, ...policy });
  session.receive(frame(HELLO));
  const take = () => {
    const next = session.take(room);
    return next && { message: decodeMessage(next.header), payload: next.payload };
  };
  take();
  return {
    session,
    take,
    hear: (message: Message, payload: Uint8Array | null = null) =>
      session.receive(frame(message, payload)),
  };
}

const HELLO: Message = { type: "hello", version: 1, features: [], token: null, limits: {} };

function frame(message: Message, payload: Uint8Array | null = null): Frame {
  return { header: encodeMessage(message), payload };
}

function theirs(id: number, flags = 0, buffers: number[] = []): Message<"call"> {
  const { object, method, args, kwargs } = calling();
  return { type: "call", id, object, method, args, kwargs, buffers, flags };
}

describe("hello", () => {
  test("comes first, and is short", () => {
    const silent = () => new Session({ isWhole: false });
    expect(() => silent().receive(frame({ type: "ping", n: 1 }))).toThrow(ProtocolError);
    const long = { ...HELLO, token: "x".repeat(5000) };
    expect(() => silent().receive(frame(long))).toThrow(ProtocolError);
    expect(() => silent().receive(frame({ ...HELLO, version: 2 }))).toThrow(/version 2/);
    expect(() => greeted().hear(HELLO)).toThrow(ProtocolError);
  });

  test("who asks for a token says nothing before it has come", () => {
    const guarded = () => new Session({ isWhole: false, token: "mine", expectedToken: "secret" });
    for (const token of [null, "", "secre", "secret2", "Secret"]) {
      const session = guarded();
      expect(session.take(room)).toBeNull();
      expect(() => session.receive(frame({ ...HELLO, token }))).toThrow(/token/);
    }
    const session = guarded();
    expect(session.receive(frame({ ...HELLO, token: "secret" }))).toMatchObject([
      { type: "ready" },
    ]);
    expect(session.take(room)?.header).toEqual(encodeMessage({ ...HELLO, token: "mine" }));
  });

  test("features are those of both", () => {
    const session = new Session({ isWhole: true, features: ["transfer", "other"] });
    const hello = { ...HELLO, features: ["descriptors", "transfer"] };
    expect(session.receive(frame(hello))).toEqual([{ type: "ready", features: ["transfer"] }]);
  });

  test("calls wait for it", () => {
    const session = new Session({ isWhole: false });
    session.own.call(calling());
    expect(decodeMessage(session.take(room)?.header ?? NULL)?.type).toBe("hello");
    expect(session.take(room)).toBeNull();
    session.receive(frame(HELLO));
    expect(decodeMessage(session.take(room)?.header ?? NULL)?.type).toBe("call");
  });
});

describe("buffers", () => {
  test("messages go first, pieces take turns, nothing beyond the credit", () => {
    const { session, take, hear } = greeted();
    session.own.call(calling(0, [FIRST_CREDIT + 1, 300_000]));
    const order: number[] = [];
    expect(take()?.message).toMatchObject({ type: "call", buffers: [FIRST_CREDIT + 1, 300_000] });
    let sent = 0;
    for (let next = take(); next; next = take()) {
      if (next.message?.type !== "piece") continue;
      order.push(next.message.buffer);
      if (next.message.buffer === 1) sent += next.payload?.length ?? 0;
      if (order.length === 2) session.own.call(calling());
      if (order.length === 3) expect(order).toEqual([1, 2, 1]);
    }
    expect(sent).toBe(FIRST_CREDIT);
    expect(order.slice(0, 5)).toEqual([1, 2, 1, 2, 1]);
    hear({ type: "drain", buffer: 1, bytes: 1000 });
    expect(take()).toMatchObject({ message: { buffer: 1, last: true }, payload: { length: 1 } });
    hear({ type: "drain", buffer: 1, bytes: 1000 }); // too late to matter
    expect(() => hear({ type: "drain", buffer: 3, bytes: 1 })).toThrow(ProtocolError);
  });

  test("a small call overtakes a transfer, and many calls do not starve it", () => {
    const { session, take } = greeted();
    session.own.call(calling(0, [1 << 20]));
    take();
    for (let i = 0; i < 200; i++) session.own.call(calling());
    const types = Array.from({ length: 130 }, () => take()?.message?.type);
    expect(types.slice(0, 60).every((type) => type === "call")).toBe(true);
    expect(types.filter((type) => type === "piece")).toHaveLength(2);
  });

  test("without room no piece is written, but messages are", () => {
    const { session } = greeted();
    session.own.call(calling(0, [100]));
    expect(session.take(() => false)).not.toBeNull();
    expect(session.take(() => false)).toBeNull();
  });

  test("nothing is allocated on announcement, and lies end the session", () => {
    const lies: ((hear: ReturnType<typeof greeted>["hear"]) => void)[] = [
      (hear) => hear({ type: "piece", buffer: 1, last: false }, new Uint8Array(101)),
      (hear) => hear({ type: "piece", buffer: 2, last: true }, new Uint8Array(1)),
      (hear) => hear({ type: "piece", buffer: 1, last: false }),
      (hear) => hear({ type: "ping", n: 1 }, new Uint8Array(1)),
      (hear) => hear(theirs(1)),
      (hear) => hear({ type: "cancel", id: 2 }),
      (hear) => hear({ type: "more", id: 2, count: 1 }),
      (hear) => hear({ type: "result", id: 1, value: NULL, buffers: [] }),
      (hear) => hear({ type: "progress", id: 1, done: 1, total: 1, text: null }),
      (hear) => hear({ type: "release", objects: [], segments: [1] }),
      (hear) => hear(theirs(2, 0, Array(4096).fill(1))),
    ];
    for (const lie of lies) {
      const { hear } = greeted();
      hear(theirs(1, 0, [100]));
      expect(() => lie(hear)).toThrow(ProtocolError);
    }
    const { hear } = greeted();
    expect(hear(theirs(1, 0, Array(4000).fill(2 ** 40)))).toEqual([]);
  });

  test("no more may be sent than was taken", () => {
    const { hear, take } = greeted();
    hear(theirs(1, 0, [100 << 20]));
    const piece = new Uint8Array(1 << 18);
    let drained = 0;
    for (let i = 0; i < 40; i++) {
      hear({ type: "piece", buffer: 1, last: false }, piece);
      for (let next = take(); next; next = take()) {
        if (next.message?.type === "drain") drained += next.message.bytes;
      }
    }
    expect(drained).toBe(40 * piece.length);
  });

  test("a last piece that comes early says that the sender has given up", () => {
    const { hear, take } = greeted();
    hear(theirs(1, 0, [100, 100]));
    hear({ type: "piece", buffer: 2, last: true });
    expect(hear({ type: "piece", buffer: 1, last: true }, new Uint8Array(100))).toEqual([]);
    expect(take()?.message).toMatchObject({
      type: "error",
      id: 1,
      error: ["Cancelled", "The call was cancelled.", ""],
    });
  });

  test("who gives up a call spares the rest of its buffers", () => {
    const { session, take } = greeted();
    let undone = 0;
    const id = session.own.call(calling(0, [1 << 20, 1 << 20], () => undone++));
    take();
    take();
    session.own.cancel(id);
    expect(undone).toBe(1);
    expect([take(), take(), take()].map((next) => next?.message)).toMatchObject([
      { type: "piece", buffer: 1, last: true },
      { type: "piece", buffer: 2, last: true },
      { type: "cancel" },
    ]);
    expect(take()).toBeNull();
  });

  test("items and the end of a stream keep their order, whatever they carry", () => {
    const { session, take, hear } = greeted();
    const id = session.own.call(calling(1));
    take();
    expect(hear({ type: "item", id, value: NULL, buffers: [5] })).toEqual([]);
    expect(hear({ type: "item", id, value: NULL, buffers: [] })).toEqual([]);
    expect(hear({ type: "result", id, value: NULL, buffers: [] })).toEqual([]);
    expect(() => hear({ type: "item", id, value: NULL, buffers: [] })).toThrow(ProtocolError);
    const events = hear({ type: "piece", buffer: 1, last: true }, new Uint8Array(5));
    expect(events.map(({ type }) => type)).toEqual(["item", "item", "result"]);
    expect(session.open).toBe(0);
  });

  test("a stream sends no more items than were asked for", () => {
    const { session, take, hear } = greeted();
    const id = session.own.call(calling(1));
    take();
    for (let i = 0; i < 8; i++) hear({ type: "item", id, value: NULL, buffers: [] });
    session.own.more(id, 1);
    hear({ type: "item", id, value: NULL, buffers: [] });
    expect(() => hear({ type: "item", id, value: NULL, buffers: [] })).toThrow(ProtocolError);
  });
});

/** Two sessions, and chance: what is called, answered, given up, and when frames arrive. */
function play(seed: number): { readonly asked: number; readonly answered: number } {
  const next = random(seed);
  const isWhole = next() < 0.3;
  const sides = [0, 1].map(() => ({
    session: new Session({ isWhole }),
    incoming: [] as Frame[],
    open: new Set<number>(),
    cancelled: new Set<number>(),
    running: new Map<number, boolean>(),
    undone: 0,
  }));
  let [asked, answered] = [0, 0];
  const sizes = () =>
    Array.from({ length: Math.max(0, whole(next, -4, 2)) }, () => whole(next, 1, 700_000));

  const happen = (side: (typeof sides)[number], event: Event) => {
    if (event.type === "call" || event.type === "item" || event.type === "result") {
      for (const buffer of event.buffers) {
        const bytes = new Uint8Array(buffer);
        const value = buffer.byteLength % 256;
        expect(
          [0, 0.3, 0.7].every((part) => bytes[Math.floor(part * bytes.length)] === value),
        ).toBe(true);
      }
    }
    if (event.type === "call") side.running.set(event.id, (event.flags & 1) === 1);
    else if (event.type === "cancel") {
      side.session.their.error(event.id, ["Cancelled", "", ""]);
      side.running.delete(event.id);
    } else if (event.type === "result" || event.type === "error") {
      expect(side.open.delete(event.id)).toBe(true);
      answered += 1;
    } else if (event.type === "item") expect(side.open.has(event.id)).toBe(true);
  };
  const act = (side: (typeof sides)[number]) => {
    const { session } = side;
    const [running] = [...side.running];
    const [open] = [...side.open].filter((id) => !side.cancelled.has(id));
    const dice = next();
    if (dice < 0.25) {
      side.open.add(session.own.call(calling(next() < 0.4 ? 1 : 0, sizes())));
      asked += 1;
    } else if (dice < 0.35 && open !== undefined) {
      side.cancelled.add(open);
      if (!session.own.cancel(open) && side.open.delete(open)) answered += 1;
    } else if (dice < 0.45 && open !== undefined) session.own.more(open, whole(next, 1, 3));
    else if (running) {
      const [id, isStream] = running;
      if (isStream && next() < 0.7) {
        if (session.their.mayTake(id)) session.their.item(id, encoded(sizes()));
      } else {
        session.their.result(id, encoded(sizes()));
        side.running.delete(id);
      }
    }
  };
  const deliver = (side: (typeof sides)[number], other: (typeof sides)[number]) => {
    for (let n = whole(next, 0, 6); n > 0; n--) {
      const written = side.session.take(() => next() < 0.8);
      if (written) other.incoming.push(written);
    }
    for (let n = whole(next, 0, 6); n > 0; n--) {
      const arrived = other.incoming.shift();
      if (!arrived) break;
      for (const event of other.session.receive(arrived)) happen(other, event);
    }
  };
  for (let step = 0; step < 200; step++) {
    for (const [i, side] of sides.entries()) {
      if (next() < 0.5) act(side);
      deliver(side, sides[1 - i] ?? side);
    }
  }
  // And now no more calls: everything must come to its end.
  for (let step = 0; step < 20_000; step++) {
    if (sides.every(({ session, running }) => session.open === 0 && running.size === 0)) break;
    for (const [i, side] of sides.entries()) {
      for (const id of side.running.keys()) {
        side.session.their.result(id, encoded());
        side.running.delete(id);
      }
      deliver(side, sides[1 - i] ?? side);
    }
  }
  expect(sides.map(({ session }) => session.open)).toEqual([0, 0]);
  expect(sides.map(({ open }) => open.size)).toEqual([0, 0]);
  return { asked, answered };
}

test.each(Array.from({ length: 20 }, (_, seed) => seed + 1))(
  "two sessions and chance %d: every call is answered once, every byte arrives",
  (seed) => {
    const { asked, answered } = play(seed);
    expect(asked).toBeGreaterThan(10);
    expect(answered).toBe(asked);
  },
);

test("a session that is fed damaged frames throws nothing but a ProtocolError", () => {
  const next = random(3);
  const messages: Message[] = [
    theirs(1, 1, [10]),
    { type: "piece", buffer: 1, last: true },
    { type: "result", id: 1, value: NULL, buffers: [3] },
    { type: "error", id: 1, error: ["A", "b", "c", ["D", "e", ""]] },
    { type: "progress", id: 1, done: 1.5, total: null, text: "x" },
    { type: "release", objects: [[1, 2]], segments: [] },
    { type: "bye", reason: "x" },
  ];
  for (let i = 0; i < 5000; i++) {
    const { session } = greeted();
    session.own.call(calling(1));
    try {
      for (let n = 0; n < 4; n++) {
        const message = messages[whole(next, 0, messages.length - 1)] as Message;
        const header = encodeMessage(message);
        for (let k = whole(next, 0, 2); k > 0; k--) {
          header[whole(next, 0, header.length - 1)] = whole(next, 0, 255);
        }
        session.receive({ header, payload: next() < 0.3 ? new Uint8Array(3) : null });
      }
    } catch (error) {
      expect(error).toBeInstanceOf(ProtocolError);
    }
  }
});
