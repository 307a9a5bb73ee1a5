/** Checked by tsc, not by running. */
import { expectTypeOf, test } from "vitest";
import type { Call } from "./call.ts";
import { kwargs, options } from "./call_marks.ts";
import { NdArray } from "./ndarray.ts";
import type { Received, Remote } from "./remote_types.ts";
import type { Reference } from "./values.ts";

interface Layer {
  hide(): void;
}

interface Service {
  segment(image: NdArray, sigma?: number): Promise<NdArray<Uint32Array>>;
  names(): string[];
  each(list: number[], callback: (n: number, image: Float32Array) => string): void;
  planes(from: number): AsyncGenerator<Float32Array>;
  pixels(): Uint8Array;
  layer(): Reference<Layer>;
  watch(callback: (n: number) => void): () => void;
  viewer: { layers: { add(name: string): number } };
  sum(...numbers: number[]): number;
  version: string;
}

declare const service: Remote<Service>;

// Only its types are looked at.
test.skip("a typed remote", async () => {
  const image = new NdArray("float32", [1], new Float32Array(1));
  expectTypeOf(service.segment(image)).toEqualTypeOf<Call<NdArray<Uint32Array>, never>>();
  expectTypeOf(await service.segment(image, 2)).toEqualTypeOf<NdArray<Uint32Array>>();
  expectTypeOf(await service.names()).toEqualTypeOf<string[]>();
  expectTypeOf(await service.sum(1, 2, 3)).toEqualTypeOf<number>();
  expectTypeOf(await service.viewer.layers.add("a")).toEqualTypeOf<number>();

  // Typed arrays may be given for arrays; keyword arguments for any at the end.
  service.segment(new Float32Array(3));
  service.segment(image, kwargs({ sigma: 2 }));
  service.segment(kwargs({ image, sigma: 2 }));
  service.segment(image, 2, options({ progress: ({ done }) => done }));
  service.segment(image, options({}));
  service.segment(image, kwargs({ sigma: 2 }), options({}));

  // @ts-expect-error an image is needed
  service.segment();
  // @ts-expect-error an image is needed
  service.segment(options({}));
  // @ts-expect-error sigma is a number
  service.segment(image, "2");
  // @ts-expect-error there is no such method
  service.other();
  // @ts-expect-error a text is not a method
  service.version;
  // @ts-expect-error nor can it be set
  service.names = () => [];
  // @ts-expect-error a result must be awaited
  service.names().length;

  // What is passed in is called with what arrives, and may be slow.
  service.each([1], (n, plane) => {
    expectTypeOf(n).toEqualTypeOf<number>();
    expectTypeOf(plane).toEqualTypeOf<NdArray<Float32Array>>();
    return "x";
  });
  service.each([1], async () => "x");
  // @ts-expect-error it returns a text
  service.each([1], () => 1);
  // Where nothing is expected, anything may be returned.
  service.watch((n) => [].push(n as never));

  for await (const plane of service.planes(1)) {
    expectTypeOf(plane).toEqualTypeOf<NdArray<Float32Array>>();
  }
  expectTypeOf(await service.pixels()).toEqualTypeOf<NdArray<Uint8Array>>();

  const layer = await service.layer();
  expectTypeOf(await layer.hide()).toEqualTypeOf<void>();
  layer.release();

  const stop = await service.watch(() => {});
  expectTypeOf(stop).toEqualTypeOf<Remote<() => void>>();
  expectTypeOf(await stop()).toEqualTypeOf<void>();
  using _ = stop;

  expectTypeOf<Received<{ a: [number, Float64Array] }>>().toEqualTypeOf<{
    a: [number, NdArray<Float64Array>];
  }>();
});
