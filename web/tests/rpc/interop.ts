/**
 * The TypeScript end of tests/rpc/test_typescript.py: run by Node, it links to the address that it is given,
 * offers `Service`, and at the word of the other side runs one of `CHECKS` against the service there.
 */
import assert from "node:assert/strict";
import process from "node:process";
import {
  Cancelled,
  Complex,
  keep,
  kwargs,
  LazyArray,
  lazyArray,
  NdArray,
  options,
  Peer,
  type Reference,
  type Remote,
  RemoteError,
  reference,
  remoteTraceback,
  transfer,
  WebSocketTransport,
  withContext,
} from "../../src/rpc/index.ts";

/** What Python offers. */
interface Python {
  echo(value: unknown): unknown;
  add(a: number, b: number, c?: number): number;
  dtype_of(array: NdArray): [string, number[], unknown];
  apply(callback: (n: number) => unknown, times: number): unknown[];
  count(to: number): AsyncGenerator<number>;
  planes(count: number): AsyncGenerator<Float32Array>;
  slow(steps: number): number;
  was_cancelled(): boolean;
  fail(): never;
  counter(): Reference<{ add(n: number): number }>;
  large(bytes: number): NdArray<Uint8Array>;
  held(): number;
  lazy(): LazyArray;
  is_home(array: LazyArray): boolean;
}

const MANY = 64 << 20;
const DTYPES = [
  ..."bool int8 uint8 int16 uint16 int32 uint32 int64 uint64 float16 float32 float64".split(" "),
  ..."complex64 complex128 datetime64[ns] timedelta64[s]".split(" "),
];
let aborted = 0;

class Service {
  echo(value: unknown) {
    return value;
  }
  join(a: string, { b, c }: { b: string; c: number }) {
    return `${a}${b}${c}`;
  }
  describe(array: NdArray) {
    return [array.dtype, array.shape, array.data.constructor.name];
  }
  async apply(callback: (n: number) => Promise<unknown>, times: number) {
    const all: unknown[] = [];
    for (let i = 0; i < times; i++) all.push(await callback(i));
    return all;
  }
  async *count(to: number) {
    for (let i = 0; i < to; i++) yield i;
  }
  slow = withContext(async ({ signal, progress }, steps: number) => {
    signal.addEventListener("abort", () => {
      aborted += 1;
    });
    for (let i = 0; i < steps; i++) {
      progress(i, steps, "step");
      await new Promise((resolve) => setTimeout(resolve, 5));
      signal.throwIfAborted();
    }
    return steps;
  });
  aborted() {
    return aborted;
  }
  fail() {
    throw new RangeError("too far", { cause: new TypeError("why") });
  }
  counter() {
    let value = 0;
    return reference({ add: (n: number) => (value += n) });
  }
  /** Its numbers count up. */
  lazy() {
    return lazyArray({
      dtype: "int32",
      shape: [4, 1000],
      chunks: [1, 100],
      read: ([[z0, z1, zs] = [0, 0, 1], [y0, y1, ys] = [0, 0, 1]]) => {
        const all: number[] = [];
        for (let z = z0; z < z1; z += zs) {
          for (let y = y0; y < y1; y += ys) all.push(z * 1000 + y);
        }
        return NdArray.of(Int32Array.from(all));
      },
    });
  }
  large(bytes: number) {
    return transfer(new Uint8Array(bytes).fill(7));
  }
  keep(callback: Remote<() => number>) {
    kept = keep(callback);
  }
  async call_kept() {
    const value = await kept?.();
    kept?.release();
    return value;
  }
  die() {
    process.kill(process.pid, "SIGKILL");
  }
  counts() {
    return peer.counts;
  }
  check(name: string) {
    const check = CHECKS[name];
    assert(check, `There is no check ${name}.`);
    return check(peer.root<Python>());
  }
}

let kept: Remote<() => number> | null = null;

const CHECKS: Readonly<Record<string, (python: Remote<Python>) => Promise<unknown>>> = {
  async values(python) {
    const values = [
      null,
      [true, false, 0, -1, 255, 65_536, -(2 ** 40), 0.5, -0, 1e300, "", "ä🔬"],
      { a: { b: [1, 2] }, __proto__x: 1 },
      new Map<unknown, unknown>([
        [1, "a"],
        [null, { x: 2n ** 60n }],
      ]),
      [2n ** 63n, -(2n ** 63n), 10n ** 40n],
      Uint8Array.of(1, 2, 3).buffer,
      new Uint8Array(100_000).fill(5).buffer,
      new Complex(1.5, -2),
      "x".repeat(3 << 20),
      Array.from({ length: 100_000 }, (_, i) => i + 0.5),
    ];
    assert.deepEqual(await python.echo(values), values);
    assert.equal(await python.echo(Number.NaN), Number.NaN);
  },
  async arguments(python) {
    assert.equal(await python.add(1, 2), 3);
    assert.equal(await python.add(1, kwargs({ b: 2, c: 3 })), 6);
    await assert.rejects(Promise.resolve(python.add(1, kwargs({ d: 2 }))), TypeError);
  },
  async arrays(python) {
    for (const dtype of DTYPES) {
      for (const count of [6, 90_000]) {
        const size = Number(/complex/.test(dtype)) + 1;
        const width = dtype === "bool" ? 8 : Number(/\d+/.exec(dtype)?.[0]) / size;
        const bytes = new Uint8Array((count * size * width) / 8).map((_, i) => i % 2);
        const array = NdArray.over(dtype, [2, count / 2], bytes.buffer);
        const [name, shape] = await python.dtype_of(array);
        assert.deepEqual([name, shape], [dtype, [2, count / 2]]);
        assert.deepEqual(await python.echo(array), array);
      }
    }
    assert.deepEqual(await python.echo(Float32Array.of(1, 2)), NdArray.of(Float32Array.of(1, 2)));
  },
  async callbacks(python) {
    assert.deepEqual(await python.apply((n) => n * 2, 5), [0, 2, 4, 6, 8]);
    assert.deepEqual(await python.apply(async (n) => python.add(n, 1), 3), [1, 2, 3]);
    await assert.rejects(
      Promise.resolve(
        python.apply(() => {
          throw new RangeError("in the callback");
        }, 1),
      ),
      /in the callback/,
    );
    for (let i = 0; i < 20; i++) {
      await Promise.all(Array.from({ length: 50 }, () => python.apply((n) => n, 1)));
    }
  },
  async objects(python) {
    const counter = (await python.counter()) as Remote<{ add(n: number): number }>;
    assert.equal(await counter.add(2), 2);
    assert.equal(await counter.add(3), 5);
    assert.equal(await python.echo(counter), counter);
    counter.release();
    const mine = reference({ secret: () => 42 });
    assert.equal(await python.echo(mine), mine);
  },
  async streams(python) {
    const seen: number[] = [];
    for await (const n of python.count(100)) seen.push(n);
    assert.deepEqual(
      seen,
      Array.from({ length: 100 }, (_, i) => i),
    );
    for await (const n of python.count(1_000_000)) if (n === 20) break;
    let last = 0;
    for await (const plane of python.planes(20)) {
      assert.equal(plane.data.length, 50_000);
      assert.equal(plane.data[0], last++);
    }
    assert.equal(last, 20);
  },
  async lazy(python) {
    const image = await python.lazy();
    assert(image instanceof LazyArray);
    assert.deepEqual([image.dtype, image.shape, image.chunks], ["uint16", [30, 40], [8, 8]]);
    const part = await image.read([[3, 20, 4], -1]);
    assert.deepEqual(part, NdArray.of(Uint16Array.from([3, 7, 11, 15, 19], (y) => y * 40 + 39)));
    const [all, place] = await image.readMany([[], [29, 39]]);
    assert.equal(all?.data.length, 1200);
    assert.deepEqual([place?.shape, place?.data[0]], [[], 1199]);
    assert.equal(await python.is_home(image), true);
    image.release();
  },
  async cancel(python) {
    const controller = new AbortController();
    const steps: unknown[] = [];
    const { signal } = controller;
    const progress = (step: unknown) => {
      steps.push(step);
      if (steps.length === 3) controller.abort(new Cancelled("enough"));
    };
    await assert.rejects(
      Promise.resolve(python.slow(1000, options({ signal, progress }))),
      /enough/,
    );
    assert.deepEqual(steps[0], { done: 0, total: 1000, text: "step" });
    while (!(await python.was_cancelled())) await new Promise((then) => setTimeout(then, 5));
    // One whose array is still on its way.
    const call = python.echo(new Uint8Array(MANY));
    setTimeout(() => call.cancel(), 5);
    await assert.rejects(Promise.resolve(call), Cancelled);
    assert.equal(await python.add(1, 1), 2);
  },
  async errors(python) {
    const error = await python.fail().then(null, (thrown: unknown) => thrown);
    assert(error instanceof RemoteError);
    assert.equal(error.type, "ValueError");
    assert.equal(error.message, "no good");
    assert.match(remoteTraceback(error), /in fail/);
    assert.equal((error.cause as Error).name, "KeyError");
    await assert.rejects(Promise.resolve((python as unknown as Service).counts()), /counts/);
  },
  async large(python) {
    const large = new Uint8Array(MANY).fill(3);
    large[MANY - 1] = 9;
    const answers = [python.echo(large), python.large(MANY)] as const;
    const waits: number[] = [];
    let isOver = false;
    Promise.all(answers).then(() => {
      isOver = true;
    });
    while (!isOver) {
      const start = performance.now();
      await python.add(1, 2);
      waits.push(performance.now() - start);
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const [echoed, made] = (await Promise.all(answers)) as [
      NdArray<Uint8Array>,
      NdArray<Uint8Array>,
    ];
    assert.equal(Buffer.compare(echoed.data, large), 0);
    assert(made.data.length === MANY && made.data[MANY - 1] === 7);
    return waits.sort((a, b) => a - b);
  },
};

const [address = ""] = process.argv.slice(2);
// Not `connect`, because the other side may call before that has returned.
const peer = new Peer(new WebSocketTransport(new WebSocket(address)), {
  service: new Service(),
  token: process.env["OPSIN_TOKEN"] ?? "",
});
await peer.closed;
