import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { afterEach, expect, test, vi } from "vitest";
import { withContext } from "./call_context.ts";
import { kwargs, options } from "./call_marks.ts";
import {
  Cancelled,
  ConnectionLost,
  ProtocolError,
  RemoteError,
  remoteTraceback,
} from "./errors.ts";
import { NdArray } from "./ndarray.ts";
import { Peer, type PeerOptions } from "./peer.ts";
import { about, keep, notify } from "./remote.ts";
import type { Remote } from "./remote_types.ts";
import { memoryLink } from "./transports/memory.ts";
import { type Reference, reference } from "./values.ts";

const NOTHING = { asked: 0, running: 0, own: 0, received: 0 };

const open: Peer[] = [];
afterEach(() => {
  for (const peer of open.splice(0)) peer.close();
});

/** Two peers in this thread, of which the second offers `service`. */
function link(service: object, here: PeerOptions = {}, there: PeerOptions = {}) {
  const [one, other] = memoryLink();
  const [peer, far] = [new Peer(one, here), new Peer(other, { service, ...there })];
  open.push(peer, far);
  return { peer, far };
}

const settled = () => new Promise<void>((resolve) => setTimeout(resolve, 5));

class Counter {
  value = 0;
  _secret = 1;
  add(n: number) {
    this.value += n;
    return this.value;
  }
  _hidden() {}
  get broken() {
    return 1;
  }
}

class Service {
  readonly inside = { counter: new Counter() };
  readonly kept: unknown[] = [];
  echo(value: unknown) {
    return value;
  }
  async later(a: number, b: { c: number }) {
    await settled();
    return a + b.c;
  }
  counter() {
    return new Counter();
  }
  async each(list: number[], callback: (n: number) => unknown) {
    const all: unknown[] = [];
    for (const n of list) all.push(await callback(n));
    return all;
  }
  keep(callback: (n: number) => unknown) {
    this.kept.push(keep(callback));
  }
  fail(): never {
    throw new RangeError("too far", { cause: new Error("why") });
  }
  async *count(to: number) {
    for (let i = 0; i < to; i++) yield i;
  }
  *sync(to: number) {
    for (let i = 0; i < to; i++) yield { i };
  }
  slow = withContext(async ({ signal, progress }, steps: number) => {
    for (let i = 0; i < steps; i++) {
      progress(i, steps, "step");
      await settled();
      signal.throwIfAborted();
    }
    return steps;
  });
}

type Calls = Pick<Service, "echo" | "later" | "counter" | "each" | "keep" | "fail" | "count"> &
  Pick<Service, "sync" | "slow"> & { inside: { counter: Counter } };

test("calls, keyword arguments, dotted paths", async () => {
  const { peer } = link(new Service());
  const far = peer.root<Calls>();
  expect(await far.echo({ a: [1, "x", null] })).toEqual({ a: [1, "x", null] });
  expect(await far.later(1, kwargs({ c: 2 }))).toBe(3);
  expect(await far.inside.counter.add(5)).toBe(5);
  expect(await far.inside.counter.add(5)).toBe(10);
  const image = NdArray.of(new Uint16Array(100_000), [100, 1000]);
  expect(await far.echo(image)).toEqual(image);
  await peer.ping();
  expect(await Promise.all(Array.from({ length: 500 }, (_, i) => far.echo(i)))).toHaveLength(500);
  await settled();
  expect(peer.counts).toEqual(NOTHING);
});

test.each([
  "_hidden",
  "inside.counter._hidden",
  "inside.counter.broken",
  "inside.counter.value",
  "inside._secret.x",
  "constructor",
  "echo.constructor",
  "echo.call",
  "toString",
  "inside.hasOwnProperty",
  "__proto__.x",
  "kept.push",
  "nothing",
  "",
])("%s cannot be called", async (path) => {
  const { peer } = link(new Service());
  const { link: own } = { link: peer };
  const root = peer.root();
  const names = path.split(".").filter((name) => name !== "");
  const handle = (await import("./remote.ts")).handleOf(root);
  if (!handle) throw new Error("A root is a remote.");
  const call = own.call(handle, names.join("."), { args: [], kwargs: {}, options: {} });
  await expect(call).rejects.toThrow(TypeError);
});

test("functions and objects by reference, both ways, nested", async () => {
  const { peer, far } = link(new Service());
  const service = peer.root<Calls>();
  expect(await service.each([1, 2, 3], (n) => n * 2)).toEqual([2, 4, 6]);
  // A call in a call in a call, in turns.
  const deep = (n: number): unknown => (n > 0 ? service.each([n - 1], deep) : "end");
  expect(await service.each([5], deep)).toEqual([[[[[["end"]]]]]]);
  const counter = (await service.counter()) as unknown as Remote<Counter>;
  expect(about(counter)).toEqual({ name: "Counter", doc: null, methods: ["add"] });
  expect(await counter.add(2)).toBe(2);
  // An object comes home as itself, and a remote is the same each time.
  expect(await service.echo(counter)).toBe(counter);
  counter.release();
  await expect(counter.add(1)).rejects.toThrow(/released/);
  await settled();
  expect([peer.counts, far.counts]).toEqual(Array(2).fill(NOTHING));
});

test("a remote that is released while it is called stays until the answer", async () => {
  const { peer, far } = link(new Service());
  const root = peer.root<Calls & { layer(): Reference<Counter> }>();
  const [other, counter] = (await Promise.all([root.counter(), root.counter()])) as unknown as [
    Remote<Counter>,
    Remote<Counter>,
  ];
  other.release();
  const [sum, home] = [counter.add(4), root.echo([counter, new Uint8Array(1 << 20)])];
  counter.release();
  expect(far.counts.own).toBe(2);
  expect(await sum).toBe(4);
  expect(await home).toHaveLength(2);
  await expect(counter.add(1)).rejects.toThrow(/released/);
  await settled();
  expect(far.counts.own).toBe(1); // it came back in the answer, as a new remote
});

test("a function lives for its call, unless it is kept", async () => {
  const service = new Service();
  let early: ((n: number) => unknown) | null = null;
  const steal = Object.assign(service, {
    steal(callback: (n: number) => unknown) {
      early = callback;
      return callback(1);
    },
  });
  const { peer, far } = link(steal);
  const root = peer.root<Calls & { steal(callback: (n: number) => number): number }>();
  const callback = vi.fn((n: number) => n + 1);
  expect(await root.steal(callback)).toBe(2);
  await settled();
  expect(peer.counts.own).toBe(0);
  await expect((early as unknown as typeof callback)(1)).rejects.toThrow(/keep/);
  await root.keep(callback);
  await settled();
  expect(peer.counts.own).toBe(1);
  const [kept] = service.kept as [Remote<(n: number) => number>];
  expect(await kept(4)).toBe(5);
  kept.release();
  await settled();
  expect([peer.counts.own, far.counts.received]).toEqual([0, 0]);
});

test("ten thousand callbacks leave empty tables", async () => {
  const { peer, far } = link(new Service());
  const root = peer.root<Calls>();
  for (let i = 0; i < 100; i++) {
    await Promise.all(Array.from({ length: 100 }, () => root.each([1], (n) => n)));
  }
  await settled();
  expect([peer.counts, far.counts]).toEqual(Array(2).fill(NOTHING));
});

test("remotes that nobody holds are given back when garbage is collected", async () => {
  setFlagsFromString("--expose-gc");
  const collect = runInNewContext("gc") as () => void;
  const { peer, far } = link(new Service());
  const root = peer.root<Calls>();
  await (async () => {
    for (let i = 0; i < 20; i++) await root.counter();
  })();
  expect(far.counts.own).toBeGreaterThan(0);
  await vi.waitFor(
    () => {
      collect();
      expect(far.counts.own).toBe(0);
    },
    { timeout: 5000, interval: 20 },
  );
  expect(peer.counts.received).toBe(0);
});

test("errors come with type, message, cause and remote traceback", async () => {
  const { peer } = link({
    fail: () => new Service().fail(),
    python: () => {
      throw new RemoteError("ValueError", "no", { cause: new TypeError("t") });
    },
    text: () => Promise.reject("plain"),
  });
  const far = peer.root();
  const error = await far.fail().then(null, (thrown: unknown) => thrown);
  expect(error).toBeInstanceOf(RangeError);
  expect(error).toMatchObject({ message: "too far", cause: { message: "why" } });
  expect(remoteTraceback(error)).toContain("Service.fail");
  await expect(far.python()).rejects.toMatchObject({ type: "ValueError", name: "ValueError" });
  await expect(far.text()).rejects.toThrow("plain");
  await expect(far.python(new Date())).rejects.toThrow(/Date/);
});

test("streams: a few items ahead, ended early or by themselves", async () => {
  let [made, ended] = [0, false];
  const { peer, far } = link({
    ...{
      async *endless() {
        try {
          for (;;) yield made++;
        } finally {
          ended = true;
        }
      },
      *short() {
        yield 1;
        throw new TypeError("broken");
      },
    },
    list: () => [1, 2],
    none: () => 3,
  });
  const root = peer.root<{
    endless(): AsyncGenerator<number>;
    short(): Generator<number>;
    list(): AsyncIterable<number>;
    none(): AsyncIterable<number>;
  }>();
  const taken: number[] = [];
  for await (const n of root.endless()) {
    await settled();
    taken.push(n);
    expect(made).toBeLessThanOrEqual(taken.length + 9);
    if (taken.length === 30) break;
  }
  expect(taken).toEqual(Array.from({ length: 30 }, (_, i) => i));
  await vi.waitFor(() => expect(ended).toBe(true));
  const seen: number[] = [];
  const read = async (source: AsyncIterable<number>) => {
    for await (const n of source) seen.push(n);
  };
  await expect(read(root.short())).rejects.toThrow("broken");
  await read(root.list());
  expect(seen).toEqual([1, 1, 2]);
  await expect(read(root.none())).rejects.toThrow(/no stream/);
  // Awaited first, iterated later: a remote of the iterable.
  const planes = await root.short();
  await expect(read(planes)).rejects.toThrow("broken");
  planes.release();
  await settled();
  expect([peer.counts, far.counts]).toEqual(Array(2).fill(NOTHING));
});

test("an aborted call fails here at once, and is given up there", async () => {
  const { peer, far } = link(new Service());
  const controller = new AbortController();
  const steps: unknown[] = [];
  const call = peer
    .root<Calls>()
    .slow(100, options({ signal: controller.signal, progress: (step) => steps.push(step) }));
  setTimeout(() => controller.abort(new Error("enough")), 30);
  await expect(call).rejects.toThrow("enough");
  expect(steps[0]).toEqual({ done: 0, total: 100, text: "step" });
  await vi.waitFor(() => expect(far.counts.running).toBe(0));
  const other = peer.root<Calls>().slow(100);
  other.cancel();
  await expect(other).rejects.toThrow(Cancelled);
  const late = peer.root<Calls>().slow(1, options({ signal: AbortSignal.abort(new Error("no")) }));
  await expect(late).rejects.toThrow("no");
  await vi.waitFor(() => expect(peer.counts).toEqual(NOTHING));
});

test("what a cancelled call gives is given back", async () => {
  const [started, finish] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
  const { peer, far } = link({
    run: async () => {
      started.resolve();
      await finish.promise;
      return () => 1;
    },
  });
  const call = peer.root().run();
  const failed = expect(call).rejects.toThrow(Cancelled);
  await started.promise;
  finish.resolve();
  call.cancel();
  await failed;
  await settled();
  expect([peer.counts, far.counts]).toEqual(Array(2).fill(NOTHING));
});

test("notifications want no answer, and their errors are not lost", async () => {
  const unheard = vi.fn();
  const got: unknown[] = [];
  const { peer } = link(
    { take: (value: unknown) => got.push(value), fail: () => new Service().fail() },
    {},
    { unheard },
  );
  const root = peer.root();
  notify(root.take as (n: number) => unknown, 5);
  notify(root.fail);
  await settled();
  expect(got).toEqual([5]);
  expect(unheard).toHaveBeenCalledWith(expect.any(RangeError));
});

test("a lost link fails what is pending on both sides, and calls after it", async () => {
  const aborted = vi.fn();
  const { peer, far } = link({
    wait: withContext(({ signal }) => {
      signal.addEventListener("abort", () => aborted(signal.reason));
      return new Promise(() => {});
    }),
    async *never() {
      yield 1;
      await new Promise(() => {});
    },
  });
  const root = peer.root<{ wait(): Promise<void>; never(): AsyncGenerator<number> }>();
  const pending = root.wait();
  const stream = root.never()[Symbol.asyncIterator]();
  expect(await stream.next()).toEqual({ done: false, value: 1 });
  const next = stream.next();
  const failures = Promise.all([
    expect(pending).rejects.toThrow("Enough."),
    expect(next).rejects.toThrow(ConnectionLost),
  ]);
  far.close("Enough.");
  await failures;
  expect(aborted).toHaveBeenCalledWith(expect.any(ConnectionLost));
  await expect(root.wait()).rejects.toThrow(ConnectionLost);
  expect((await peer.closed).message).toBe("Enough.");
  expect(peer.counts).toEqual(NOTHING);
});

test("a wrong token is refused, and nothing was said before", async () => {
  const { peer } = link({}, { token: "wrong" }, { expectedToken: "right" });
  await expect(peer.opened).rejects.toThrow(/token/);
  const { peer: let_in } = link({ ok: () => 1 }, { token: "right" }, { expectedToken: "right" });
  expect(await let_in.root().ok()).toBe(1);
});

test("a value that cannot be read fails its call, and nothing else", async () => {
  class Odd {}
  const type = { name: "odd", type: Odd, pack: () => 1, unpack: () => new Odd() };
  const { peer } = link({ odd: () => new Odd(), ok: () => 1 }, {}, { types: [type] });
  await expect(peer.root().odd()).rejects.toThrow(ProtocolError);
  expect(await peer.root().ok()).toBe(1);
});

test("a remote of a third peer is passed on, with streams and keyword arguments", async () => {
  const { peer: middle } = link(new Service());
  const { peer } = link({
    far: reference(middle.root<Calls>()),
    planes: async () => await middle.root<Calls>().count(5),
  });
  const root = peer.root<{ far: Calls; planes(): AsyncGenerator<number> }>();
  expect(await root.far.later(1, kwargs({ c: 5 }))).toBe(6);
  expect(await root.far.inside.counter.add(3)).toBe(3);
  const seen: number[] = [];
  for await (const n of root.far.count(12)) seen.push(n);
  expect(seen).toHaveLength(12);
  for await (const n of await root.planes()) seen.push(n);
  for await (const n of root.planes()) seen.push(n);
  expect(seen.slice(12)).toEqual([0, 1, 2, 3, 4, 0, 1, 2, 3, 4]);
  const steps: unknown[] = [];
  await root.far.slow(2, options({ progress: ({ done }) => steps.push(done) }));
  expect(steps).toEqual([0, 1]);
  await expect(root.far.fail()).rejects.toThrow("too far");
});

test("attributes of remotes cannot be set, and a remote is not a promise", async () => {
  const { peer } = link(new Service());
  const root = peer.root() as unknown as Record<string, unknown>;
  expect(() => {
    root["x"] = 1;
  }).toThrow(TypeError);
  expect(await root).toBe(root);
  expect(String(Object.prototype.toString.call(root))).toBe("[object Remote]");
});
