/** A call: to be awaited, or to be iterated. */
import type { Answers, Launch, Sent } from "./answers.ts";
import type { Progress } from "./call_context.ts";
import type { CallOptions } from "./call_marks.ts";
import { Cancelled } from "./errors.ts";
import { Stream } from "./stream.ts";

/**
 * It is sent when the code that made it pauses, or before. Code that has begun to iterate by then gets a stream;
 * otherwise it is a call with one result (and if that is an iterable, it can be iterated still).
 */
export class Call<T = unknown, I = unknown> implements PromiseLike<T>, AsyncIterable<I> {
  readonly #launch: Launch;
  readonly #options: CallOptions;
  #awaited: Waiting<T> | null = null;
  #stream: Stream<I> | null = null;

  constructor(launch: Launch, options: CallOptions = {}) {
    this.#launch = launch;
    this.#options = options;
    queueMicrotask(() => {
      if (!this.#stream) this.#await();
    });
  }

  // biome-ignore lint/suspicious/noThenProperty: it is there to be awaited
  then<A = T, B = never>(
    done?: ((value: T) => A | PromiseLike<A>) | null,
    failed?: ((reason: unknown) => B | PromiseLike<B>) | null,
  ): Promise<A | B> {
    return this.#await().promise.then(done, failed);
  }

  catch<B = never>(failed?: ((reason: unknown) => B | PromiseLike<B>) | null): Promise<T | B> {
    return this.#await().promise.catch(failed);
  }

  finally(then?: (() => void) | null): Promise<T> {
    return this.#await().promise.finally(then);
  }

  /** Give up: it fails here with `reason`, and is cancelled on the other side. */
  cancel(reason: unknown = new Cancelled("The call was given up.")): void {
    if (this.#stream) this.#stream.cancel(reason);
    else this.#await().cancel(reason);
  }

  [Symbol.asyncIterator](): AsyncIterator<I, undefined> {
    if (this.#awaited) return iterate<I>(this.#awaited.promise);
    if (this.#stream) throw new TypeError("A stream can be iterated once.");
    this.#stream = new Stream(this.#launch, this.#options);
    return this.#stream;
  }

  #await(): Waiting<T> {
    if (this.#stream) throw new TypeError("A call that is iterated cannot be awaited.");
    this.#awaited ??= new Waiting(this.#launch, this.#options);
    return this.#awaited;
  }
}

async function* iterate<I>(iterable: PromiseLike<unknown>): AsyncGenerator<I, undefined> {
  yield* (await iterable) as AsyncIterable<I>;
  return undefined;
}

class Waiting<T> implements Answers {
  readonly #options: CallOptions;
  readonly #outcome = Promise.withResolvers<T>();
  #sent: Sent | null = null;
  isWanted = true;

  constructor(launch: Launch, options: CallOptions) {
    this.#options = options;
    try {
      this.#sent = launch(this, { stream: false, progress: options.progress !== undefined });
    } catch (error) {
      this.error(error);
    }
    if (!this.isWanted) return;
    if (options.signal?.aborted) this.#abort();
    else options.signal?.addEventListener("abort", this.#abort);
  }

  get promise(): Promise<T> {
    return this.#outcome.promise;
  }

  progress(progress: Progress): void {
    this.#options.progress?.(progress);
  }

  item(): void {}

  result(value: unknown): void {
    this.#finish(() => this.#outcome.resolve(value as T));
  }

  error(error: unknown): void {
    this.#finish(() => this.#outcome.reject(error));
  }

  cancel(reason: unknown): void {
    if (!this.isWanted) return;
    this.#sent?.cancel();
    this.error(reason);
  }

  readonly #abort = () => this.cancel(this.#options.signal?.reason);

  #finish(settle: () => void): void {
    if (!this.isWanted) return;
    this.isWanted = false;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    settle();
  }
}
