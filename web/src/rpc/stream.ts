/** The values that a call gives one by one. The other side is at most a few ahead of who takes them. */
import type { Answers, Launch, Sent } from "./answers.ts";
import type { Progress } from "./call_context.ts";
import type { CallOptions } from "./call_marks.ts";
import { Cancelled } from "./errors.ts";
import { FIRST_ITEMS } from "./session_events.ts";

/** More is asked for in steps of this, so that few messages do it and the stream never pauses. */
const MORE_STEP = FIRST_ITEMS / 2;

type Taker<I> = {
  readonly resolve: (result: IteratorResult<I, undefined>) => void;
  readonly reject: (error: unknown) => void;
};

export class Stream<I> implements AsyncIterableIterator<I, undefined>, Answers {
  readonly #sent: Sent;
  readonly #options: CallOptions;
  readonly #items: I[] = [];
  readonly #takers: Taker<I>[] = [];
  #taken = 0;
  #end: { readonly error?: unknown } | null = null;

  constructor(launch: Launch, options: CallOptions) {
    this.#options = options;
    this.#sent = launch(this, { stream: true, progress: options.progress !== undefined });
    if (options.signal?.aborted) this.#abort();
    else options.signal?.addEventListener("abort", this.#abort);
  }

  get isWanted(): boolean {
    return this.#end === null;
  }

  progress(progress: Progress): void {
    this.#options.progress?.(progress);
  }

  item(value: unknown): void {
    this.#items.push(value as I);
    this.#serve();
  }

  result(): void {
    this.#finish({});
  }

  error(error: unknown): void {
    this.#finish({ error });
  }

  next(): Promise<IteratorResult<I, undefined>> {
    return new Promise((resolve, reject) => {
      this.#takers.push({ resolve, reject });
      this.#serve();
    });
  }

  /** Nobody wants the rest. */
  async return(): Promise<IteratorResult<I, undefined>> {
    this.cancel();
    return { done: true, value: undefined };
  }

  cancel(reason?: unknown): void {
    if (this.#end) return;
    this.#items.length = 0;
    this.#sent.cancel();
    this.#finish(reason === undefined ? {} : { error: reason });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  readonly #abort = () => {
    this.cancel(this.#options.signal?.reason ?? new Cancelled("The call was given up."));
  };

  #finish(end: { readonly error?: unknown }): void {
    if (this.#end) return;
    this.#end = end;
    this.#options.signal?.removeEventListener("abort", this.#abort);
    this.#serve();
  }

  #serve(): void {
    while (this.#takers.length > 0 && (this.#items.length > 0 || this.#end)) {
      const taker = this.#takers.shift();
      if (this.#items.length > 0) {
        taker?.resolve({ done: false, value: this.#items.shift() as I });
        this.#take();
      } else if (this.#end && "error" in this.#end) {
        taker?.reject(this.#end.error);
        this.#end = {}; // an iterator fails once, and is at its end then
      } else taker?.resolve({ done: true, value: undefined });
    }
  }

  #take(): void {
    this.#taken += 1;
    if (this.#end || this.#taken < MORE_STEP) return;
    this.#sent.more(this.#taken);
    this.#taken = 0;
  }
}
