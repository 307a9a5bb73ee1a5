/** Values of a page on their way to the host and back, over the RPC itself. */
import { expect, test } from "vitest";
import { codecs, fromHost, interfaceOf, toHost } from "../../src/embed/values.ts";
import { keep, memoryLink, NdArray, Peer, type Untyped } from "../../src/rpc/index.ts";

type Call = (...args: unknown[]) => unknown;

/** What comes back from a host that gives everything back, and what that host saw. */
function echoing() {
  const seen: unknown[] = [];
  const held: { call?: Call } = {};
  const host = {
    echo: (value: unknown) => {
      seen.push(value);
      return value;
    },
    hold: (call: Call) => {
      held.call = keep(call);
    },
  };
  const [ours, theirs] = memoryLink();
  new Peer(theirs, { service: host });
  const remote = new Peer(ours).root() as Untyped;
  const back = async (value: unknown) => fromHost(await remote.echo(await toHost(value)));
  return { back, seen, held, remote };
}

test("arrays are maps as ImJoy writes them, in both directions", async () => {
  const { back, seen } = echoing();
  const _rvalue = new Uint16Array([1, 2, 3, 4, 5, 6]).buffer;
  const image = { _rtype: "ndarray", _rvalue, _rshape: [2, 3], _rdtype: "uint16" };
  const got = (await back({ image })) as { image: typeof image };
  expect((seen[0] as { image: unknown }).image).toBeInstanceOf(NdArray);
  expect(got.image).toMatchObject({ _rtype: "ndarray", _rshape: [2, 3], _rdtype: "uint16" });
  expect(Array.from(new Uint16Array(got.image._rvalue))).toEqual([1, 2, 3, 4, 5, 6]);
});

test("what a browser has comes back as itself", async () => {
  const { back } = echoing();
  const date = new Date(12);
  const got = (await back({
    date,
    numbers: new Float32Array([1, 2.5]),
    view: new DataView(new Uint8Array([7, 8]).buffer),
    set: new Set([1, { deep: new Date(3) }]),
    map: new Map<unknown, unknown>([["a", new Uint8Array([9])]]),
    blob: new Blob(["text"], { type: "text/plain" }),
    file: new File(["more"], "a.txt", { type: "text/plain" }),
    bytes: new Uint8Array([1, 2]).buffer,
    nothing: null,
    list: [1, "two", [true]],
  })) as Record<string, Untyped>;
  expect(got["date"]).toEqual(date);
  expect(got["numbers"]).toEqual(new Float32Array([1, 2.5]));
  expect(got["view"].getUint8(1)).toBe(8);
  expect([...got["set"]]).toEqual([1, { deep: new Date(3) }]);
  expect(got["map"].get("a")).toEqual(new Uint8Array([9]));
  expect(await got["blob"].text()).toBe("text");
  expect(got["file"]).toBeInstanceOf(File);
  expect([got["file"].name, await got["file"].text()]).toEqual(["a.txt", "more"]);
  expect(new Uint8Array(got["bytes"])).toEqual(new Uint8Array([1, 2]));
  expect([got["nothing"], got["list"]]).toEqual([null, [1, "two", [true]]]);
});

test("functions are called again and again, and come home as themselves", async () => {
  const { back, held, remote } = echoing();
  const got: unknown[] = [];
  const call = (...args: unknown[]) => {
    got.push(args);
    return new Date(args.length);
  };
  await remote.hold(await toHost(call));
  const away = fromHost(held.call) as Call;
  expect(await away({ sigma: 1, _rkwargs: true })).toEqual(new Date(1));
  expect(await away(new Set([2]), 3)).toEqual(new Date(2));
  expect(got).toEqual([[{ sigma: 1 }], [new Set([2]), 3]]);
  expect(await back(call)).toBe(call);
  expect(((await back({ inner: [call] })) as { inner: Call[] }).inner[0]).toBe(call);
});

test("an object of a class brings its methods, and keeps what begins with _", async () => {
  class Counter {
    count = 1;
    _secret = 2;
    more(by: number) {
      this.count += by;
      return this.count;
    }
    _hidden() {}
  }
  const counter = new Counter();
  const { back } = echoing();
  const got = (await back(counter)) as Record<string, Untyped>;
  expect(Object.keys(got).sort()).toEqual(["_rintf", "count", "more"]);
  expect([await got["more"](2), counter.count]).toEqual([3, 3]);
  expect(Object.keys(await interfaceOf(counter)).sort()).toEqual(["count", "more"]);
});

test("a page's own types are written and read by its codecs", async () => {
  class Point {
    readonly x: number;
    constructor(x: number) {
      this.x = x;
    }
  }
  codecs.set("point", {
    name: "point",
    type: Point,
    encoder: ({ x }: Point) => ({ _rtype: "point", x }),
    decoder: ({ x }: { readonly x: number }) => new Point(x),
  });
  const { back, seen } = echoing();
  const got = await back([new Point(4)]);
  expect(seen[0]).toEqual([{ _rtype: "point", x: 4 }]);
  expect((got as Point[])[0]).toBeInstanceOf(Point);
  codecs.clear();
});
