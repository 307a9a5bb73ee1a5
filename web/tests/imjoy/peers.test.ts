/** Both ends of v1 beside ImJoy's own library: it is the plugin of our page, and the page of our plugin. */
import { afterEach, expect, test, vi } from "vitest";
import { HostSide } from "../../src/imjoy/host_side.ts";
import { type Link, portLink } from "../../src/imjoy/messages.ts";
import { join, type PluginApi } from "../../src/imjoy/plugin_side.ts";
import type { Plain } from "../../src/imjoy/values.ts";
import { NdArray } from "../../src/rpc/ndarray.ts";
import { apiOf, failureOf, fromFrame, toFrame } from "../../src/workers/carried.ts";
import { TheirConnection, theirRPC } from "./their_side.ts";

type Calls = Record<string, (...args: unknown[]) => unknown>;
const links: Link[] = [];

function channel(): [Link, Link] {
  const { port1, port2 } = new MessageChannel();
  const pair: [Link, Link] = [
    portLink(port1 as unknown as MessagePort),
    portLink(port2 as unknown as MessagePort),
  ];
  links.push(...pair);
  return pair;
}

afterEach(() => {
  for (const link of links.splice(0)) link.close();
});

// What the library says on the console is none of ours.
vi.spyOn(console, "error").mockImplementation(() => undefined);

/** Our page, and a plugin of theirs that exports what it is given. */
async function ourPage(call: (name: string, args: unknown[]) => unknown, exported: object) {
  const [ours, theirs] = channel();
  const came = Promise.withResolvers<Plain>();
  const side = new HostSide({
    link: ours,
    natives: toFrame,
    arrivals: fromFrame,
    failure: failureOf,
    config: {},
    exported: came.resolve,
    log: () => undefined,
    ended: () => undefined,
  });
  const connection = new TheirConnection(theirs, "peer-1");
  const rpc = theirRPC(connection);
  connection.emit({
    type: "initialized",
    config: { name: "theirs", allow_execution: true },
    origin: "null",
    peer_id: "peer-1",
  });
  await side.ready;
  const ready = new Promise((resolve) => rpc.once("remoteReady", resolve));
  await side.offer(apiOf(["echo", "fail", "register", "utils.sleep"], { TAG: "a" }, call));
  await ready;
  void rpc.setInterface(exported);
  side.ask();
  return { side, connection, rpc, plugin: (await came.promise) as Calls };
}

/** A plugin of ours in a page of theirs. */
async function theirPage(offered: object, exported: object) {
  const [ours, theirs] = channel();
  const connection = new TheirConnection(theirs);
  const rpc = theirRPC(connection);
  connection.on("initialized", ({ peer_id }) => {
    connection.stamp = String(peer_id);
    void rpc.setInterface(offered);
    rpc.sendInterface();
  });
  const api: PluginApi = await join(ours, { config: { name: "ours" } });
  const ready = new Promise((resolve) => rpc.once("remoteReady", resolve));
  void api.export(exported);
  await ready;
  return { rpc, api: api as unknown as Calls, plugin: rpc.getRemote() as Calls };
}

const VALUES: readonly [string, unknown][] = [
  ["null", null],
  ["numbers", [0, -1, 1.5, Number.NaN]],
  ["texts and booleans", { a: "ä", b: true, c: [false, ""] }],
  ["nested maps", { a: { b: { c: [{ d: 1 }] } } }],
  ["bytes", Uint8Array.of(1, 2, 3).buffer],
];

test.each(VALUES)("our page and their plugin: %s there and back", async (_, value) => {
  const heard: unknown[] = [];
  const call = (_name: string, args: unknown[]) => {
    heard.push(args[0]);
    return args[0];
  };
  const { plugin, rpc } = await ourPage(call, { echo: (given: unknown) => given });
  expect(await plugin["echo"]?.(value)).toEqual(value);
  expect(await (rpc.getRemote() as Calls)["echo"]?.(value)).toEqual(value);
  expect(heard).toEqual([value]);
});

test.each(VALUES)("their page and our plugin: %s there and back", async (_, value) => {
  const echo = (given: unknown) => given;
  const { api, plugin } = await theirPage({ _rintf: true, echo }, { echo });
  expect(await plugin["echo"]?.(value)).toEqual(value);
  expect(await api["echo"]?.(value)).toEqual(value);
});

test("their plugin's typed values are carried, and ours arrive as what they are", async () => {
  const { plugin } = await ourPage(() => null, {
    give: () => [
      Int16Array.of(-1, 2),
      new DataView(Uint8Array.of(7).buffer),
      new Set([1, 2]),
      new Map([["a", 1]]),
      { _rtype: "ndarray", _rvalue: Uint8Array.of(1, 2).buffer, _rshape: [2, 1], _rdtype: "uint8" },
      new Blob(["abc"], { type: "text/plain" }),
      { _rtype: "own", text: "kept" },
    ],
    kinds: (...args: unknown[]) =>
      args.map((one) => Object.prototype.toString.call(one).slice(8, -1)),
    array: (array: Plain) => [array["_rtype"], array["_rshape"], array["_rdtype"]],
  });
  expect(await plugin["give"]?.()).toEqual([
    { _rtype: "typedarray", _rdtype: "int16", _rvalue: Int16Array.of(-1, 2).buffer },
    { _rtype: "memoryview", _rvalue: Uint8Array.of(7).buffer },
    { _rtype: "set", _rvalue: [1, 2] },
    { _rtype: "orderedmap", _rvalue: [["a", 1]] },
    new NdArray("uint8", [2, 1], Uint8Array.of(1, 2)),
    { _rtype: "blob", _rmime: "text/plain", _rvalue: new TextEncoder().encode("abc").buffer },
    { _rtype: "own", text: "kept" },
  ]);
  const bytes = Uint8Array.of(1, 2, 3, 4).buffer;
  const kinds = await plugin["kinds"]?.(
    { _rtype: "typedarray", _rvalue: bytes, _rdtype: "uint16" },
    { _rtype: "memoryview", _rvalue: bytes },
    { _rtype: "blob", _rvalue: bytes, _rmime: "" },
    { _rtype: "set", _rvalue: [1] },
    { _rtype: "orderedmap", _rvalue: [["a", 1]] },
    { _rtype: "date", _rvalue: 0 },
    { _rtype: "error", _rvalue: "no" },
  );
  expect(kinds).toEqual("Uint16Array DataView Blob Set Map Date Error".split(" "));
  const array = await plugin["array"]?.(new NdArray("float32", [1, 2], Float32Array.of(1, 2)));
  expect(array).toEqual(["ndarray", [1, 2], "float32"]);
});

test("failures cross in both directions with their words", async () => {
  const fail = () => {
    throw new Error("it cannot be done");
  };
  const own = await ourPage(fail, { fail });
  await expect(own.plugin["fail"]?.()).rejects.toThrow(/^it cannot be done$/);
  await expect((own.rpc.getRemote() as Calls)["fail"]?.()).rejects.toThrow("it cannot be done");
  const other = await theirPage({ _rintf: true, fail }, { fail });
  await expect(other.plugin["fail"]?.()).rejects.toThrow("it cannot be done");
  await expect(other.api["fail"]?.()).rejects.toThrow("it cannot be done");
});

test("functions that are arguments are called back; objects with functions again and again", async () => {
  const sum = async (given: unknown) => {
    const { add } = given as { add: (a: number, b: number) => Promise<number> };
    return [await add(1, 2), await add(3, 4)];
  };
  const once = async (given: unknown) => await (given as (n: number) => unknown)(5);
  const adder = { _rintf: true, add: (a: unknown, b: unknown) => Number(a) + Number(b) };
  const own = await ourPage((name, args) => (name === "echo" ? sum(args[0]) : null), { sum, once });
  expect(await own.plugin["sum"]?.(adder)).toEqual([3, 7]);
  expect(await own.plugin["once"]?.((n: unknown) => Number(n) * 2)).toBe(10);
  expect(await (own.rpc.getRemote() as Calls)["echo"]?.(adder)).toEqual([3, 7]);
  const other = await theirPage({ _rintf: true, sum, once }, { sum, once });
  expect(await other.plugin["sum"]?.({ ...adder })).toEqual([3, 7]);
  expect(await other.api["sum"]?.({ ...adder })).toEqual([3, 7]);
  expect(await other.api["once"]?.((n: unknown) => Number(n) * 2)).toBe(10);
});

test("a callback of ours is gone after its first call, as theirs are", async () => {
  const twice = async (given: unknown) => {
    const call = given as () => Promise<unknown>;
    return [await call(), await call().catch((error: unknown) => String(error))];
  };
  const { api } = await theirPage({ _rintf: true, twice }, {});
  expect(await api["twice"]?.(() => "called")).toEqual([
    "called",
    expect.stringContaining("once only"),
  ]);
});

test("what is registered stays", async () => {
  const kept: Calls[] = [];
  const call = (name: string, args: unknown[]) => {
    if (name === "register") kept.push(args[0] as Calls);
    return null;
  };
  const { rpc } = await ourPage(call, {});
  await (rpc.getRemote() as Calls)["register"]?.({
    name: "op",
    run: (n: unknown) => Number(n) + 1,
  });
  expect(await kept[0]?.["run"]?.(1)).toBe(2);
  expect(await kept[0]?.["run"]?.(2)).toBe(3);
});

test("an exported class is its public methods, those of its parents too", async () => {
  class Base {
    base() {
      return "base";
    }
  }
  class Plugin extends Base {
    readonly #count = 2;
    setup() {}
    count() {
      return this.#count;
    }
    _hidden() {}
  }
  const { plugin } = await theirPage({ _rintf: true, ping: () => 1 }, new Plugin());
  expect(
    Object.keys(plugin)
      .filter((key) => !key.startsWith("_rintf"))
      .sort(),
  ).toEqual(["base", "count", "setup"]);
  expect(await plugin["count"]?.()).toBe(2);
  expect(await plugin["base"]?.()).toBe("base");
});

test("codecs of ours write and read", async () => {
  class Point {
    readonly x: number;
    constructor(x: number) {
      this.x = x;
    }
  }
  const codec = {
    name: "point",
    type: Point,
    encoder: (point: Point) => ({ x: point.x }),
    decoder: (value: { x: number }) => new Point(value.x),
  };
  const heard: unknown[] = [];
  const keep = (value: unknown) => heard.push(value);
  const { api } = await theirPage({ _rintf: true, keep, echo: (value: unknown) => value }, {});
  (api as unknown as PluginApi).registerCodec(codec as never);
  await api["keep"]?.(new Point(4));
  expect(heard).toEqual([{ _rtype: "point", x: 4 }]);
  expect(await api["echo"]?.(new Point(5))).toEqual(new Point(5));
});

test("objects are disposed of, from both sides", async () => {
  const offered = { _rintf: true, make: () => ({ _rintf: true, ping: () => "pong" }) };
  const { api } = await theirPage(offered, {});
  const made = (await api["make"]?.()) as Calls;
  expect(await made["ping"]?.()).toBe("pong");
  await (api as unknown as PluginApi).disposeObject(made);
  await expect(made["ping"]?.()).rejects.toBeDefined();
  await expect((api as unknown as PluginApi).disposeObject(made)).rejects.toThrow("not found");
});

test("their two answers to one order count once, and a failure is not lost", async () => {
  const { side, connection } = await ourPage(() => null, {});
  const run: string[] = [];
  // As ImJoy's frames do it: one answer of their own, and one of the library.
  connection.execute = async (code) => {
    const { content } = code as { content: string };
    run.push(content);
    connection.emit({ type: "executed", ...(content === "bad" && { error: "it is bad" }) });
  };
  await side.execute({ type: "script", content: "one" });
  await expect(side.execute({ type: "script", content: "bad" })).rejects.toThrow("it is bad");
  await side.execute({ type: "script", content: "two" });
  expect(run).toEqual(["one", "bad", "two"]);
});

test("what waits when a side ends fails, and so do later calls", async () => {
  const { side, plugin } = await ourPage(() => null, { never: () => new Promise(() => undefined) });
  const waiting = expect(plugin["never"]?.()).rejects.toThrow("stopped");
  side.end("The plugin was stopped.");
  await waiting;
  await expect(plugin["never"]?.()).rejects.toThrow("stopped");
});

test("keyword arguments are marked on the way", async () => {
  const heard: unknown[] = [];
  const { rpc, plugin } = await ourPage((_, args) => heard.push(args), {
    take: (...args: unknown[]) => args,
  });
  await (rpc.getRemote() as Calls)["echo"]?.(1, { depth: 2, _rkwargs: true });
  expect(heard).toEqual([[1, { depth: 2, _rkwargs: true }]]);
  expect(await plugin["take"]?.(1, { depth: 2, _rkwargs: true })).toEqual([1, { depth: 2 }]);
});
