/** What an interface becomes when what implements it is on the other side. Types only. */
/// <reference lib="esnext.disposable" />
import type { Call } from "./call.ts";
import type { Keywords, Options } from "./call_marks.ts";
import type { LazyArray } from "./lazy_array.ts";
import type { NdArray, TypedArray } from "./ndarray.ts";
import type { Complex, Reference } from "./values.ts";

type Function = (...args: never[]) => unknown;
type Value =
  | string
  | number
  | bigint
  | boolean
  | null
  | undefined
  | ArrayBuffer
  | Error
  | Complex
  | LazyArray;

declare const REMOTE: unique symbol;

type Controls<T> = {
  readonly [REMOTE]: T;
  /** Gives the object back to its owner. (Garbage collection does it too, some day.) */
  release(): void;
  [Symbol.dispose](): void;
};

/** A remote: each method can be awaited, and those that give values one by one, iterated. */
export type Remote<T> = IsAny<T> extends true ? T : Methods<T> & Controls<T>;

/** A service of which no interface is given: everything may be called, and nothing is checked. */
// biome-ignore lint/suspicious/noExplicitAny: that is what it means
export type Untyped = any;

type IsAny<T> = 0 extends 1 & T ? true : false;

type Methods<T> = (T extends Function ? Method<T> : unknown) & {
  readonly [K in keyof T as IsPublic<K, T[K]>]: T[K] extends Function
    ? Method<T[K]>
    : Methods<T[K]>;
};

/** Text keys of functions, and of objects that have some, without those of functions themselves. */
type IsPublic<K, V> = K extends `_${string}` | symbol | number
  ? never
  : V extends Function | Record<string, unknown>
    ? K
    : V extends Value | readonly unknown[] | NdArray | TypedArray
      ? never
      : K;

type Method<F extends Function> = F extends (...args: infer A) => infer R
  ? Signatures<SentAll<A>, CallOf<Awaited<R>>>
  : never;

/** Overloads, because a union of tuples would leave callbacks without types. Messages name the last. */
type Signatures<A extends readonly unknown[], R> = {
  // What stands in `kwargs` need not stand before it.
  (...args: [...Leading<A>, Keywords]): R;
  (...args: [...Leading<A>, Keywords, Options]): R;
  (...args: [...Complete<A>, Options]): R;
  (...args: A): R;
};

type CallOf<R> = [R] extends [AsyncIterable<infer I> | Generator<infer I>]
  ? Call<Received<R>, Received<I>>
  : Call<Received<R>, never>;

/** The first few of `A`. */
type Leading<A extends readonly unknown[]> = number extends A["length"]
  ? A
  : A extends readonly [(infer F)?, ...infer Rest]
    ? [] | (A extends readonly [] ? never : [F, ...Leading<Rest>])
    : [];

/** All of `A`, with or without the optional ones. */
type Complete<A extends readonly unknown[]> = number extends A["length"]
  ? A
  : A extends readonly [infer F, ...infer Rest]
    ? [F, ...Complete<Rest>]
    : A extends readonly []
      ? []
      : A extends readonly [(infer F)?, ...infer Rest]
        ? [] | [F, ...Complete<Rest>]
        : [];

type SentAll<A extends readonly unknown[]> = { [K in keyof A]: Sent<A[K]> };
type ReceivedAll<A extends readonly unknown[]> = { [K in keyof A]: Received<A[K]> };

/** What may be given where the other side expects a `T`. */
export type Sent<T> = unknown extends T
  ? T
  : T extends Value
    ? T
    : T extends Controls<infer O>
      ? Remote<O> | Reference<O & object>
      : T extends NdArray<infer D>
        ? T | D
        : T extends TypedArray
          ? T | NdArray<T>
          : T extends (...args: infer A) => infer R
            ? (...args: ReceivedAll<A>) => Given<Awaited<R>>
            : T extends AsyncIterable<infer I>
              ? AsyncIterable<Sent<I>> | Generator<Sent<I>>
              : { [K in keyof T]: Sent<T[K]> };

/** What the other side's function may give back, at once or later. */
type Given<R> = R extends void ? unknown : Sent<R> | PromiseLike<Sent<R>>;

/** As what a `T` arrives. */
export type Received<T> = unknown extends T
  ? T
  : T extends Value | NdArray | Controls<unknown>
    ? T
    : T extends TypedArray
      ? NdArray<T>
      : T extends Reference<infer O>
        ? Remote<Omit<O, keyof Reference<object>>>
        : T extends Function
          ? Remote<T>
          : T extends AsyncIterable<infer I> | Generator<infer I>
            ? AsyncIterable<Received<I>> & Controls<T>
            : T extends ReadonlyMap<infer K, infer V>
              ? Map<Received<K>, Received<V>>
              : { [K in keyof T]: Received<T[K]> };
