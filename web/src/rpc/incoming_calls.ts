/** Calls of the other side, while they run. */
import { Call } from "./call.ts";
import type { CallContext } from "./call_context.ts";
import type { Codec } from "./codec.ts";
import { Cancelled, errorParts, ProtocolError } from "./errors.ts";
import { isIterable, methodAt } from "./exposed.ts";
import { FUNCTION } from "./extensions.ts";
import { WANTS_NO_ANSWER, WANTS_PROGRESS, WANTS_STREAM } from "./messages.ts";
import { forward, type Handle } from "./remote.ts";
import type { Event } from "./session_events.ts";
import type { TheirCalls } from "./their_calls.ts";

type CallEvent = Extract<Event, { type: "call" }>;
type Running = { readonly controller: AbortController; wake: (() => void) | null };

export class IncomingCalls {
  readonly #calls: TheirCalls;
  readonly #codec: Codec;
  readonly #pump: () => void;
  readonly #unheard: (error: unknown) => void;
  readonly #running = new Map<number, Running>();

  /** `pump` is called when there is something to write. */
  constructor(
    calls: TheirCalls,
    codec: Codec,
    pump: () => void,
    unheard: (error: unknown) => void,
  ) {
    this.#calls = calls;
    this.#codec = codec;
    this.#pump = pump;
    this.#unheard = unheard;
  }

  get size(): number {
    return this.#running.size;
  }

  start(call: CallEvent): void {
    let content: ReturnType<Codec["decode"]>;
    try {
      content = this.#codec.decode([call.args, call.kwargs], call.buffers);
    } catch (error) {
      this.#fail(call, error);
      return;
    }
    const [args, kwargs] = content.value;
    const running: Running = { controller: new AbortController(), wake: null };
    this.#running.set(call.id, running);
    this.#run(call, args, kwargs, running)
      .catch((error) => this.#fail(call, error))
      .finally(() => {
        this.#running.delete(call.id);
        for (const handle of content.handles) this.#letGo(handle);
      });
  }

  /** Nothing can stop a function of JavaScript that does not look at its signal; its caller need not wait for it. */
  cancel(id: number): void {
    const running = this.#running.get(id);
    if (!running) return;
    const cancelled = new Cancelled("The caller gave up.");
    this.#calls.error(id, errorParts(cancelled));
    running.controller.abort(cancelled);
    running.wake?.();
  }

  /** Its caller can take more items. */
  more(id: number): void {
    this.#running.get(id)?.wake?.();
  }

  /** The link is gone. */
  end(reason: unknown): void {
    for (const running of this.#running.values()) {
      running.controller.abort(reason);
      running.wake?.();
    }
  }

  async #run(call: CallEvent, args: unknown, kwargs: unknown, running: Running): Promise<void> {
    if (!Array.isArray(args) || !isMap(kwargs)) {
      throw new ProtocolError("A call has a list of arguments, and a map of keyword arguments.");
    }
    const context: CallContext = {
      signal: running.controller.signal,
      progress: (done = null, total = null, text = null) => {
        if (!(call.flags & WANTS_PROGRESS)) return;
        this.#calls.progress({ type: "progress", id: call.id, done, total, text });
        this.#pump();
      },
    };
    const method = methodAt(this.#codec.own.get(call.object), call.method, forward);
    const outcome = method(args, kwargs, context);
    if (call.flags & WANTS_STREAM) {
      // A call of some third peer is passed on as the stream that it can be.
      await this.#stream(call, outcome instanceof Call ? outcome : await outcome, running);
      return;
    }
    this.#result(call.id, await outcome);
  }

  #result(id: number, value: unknown): void {
    if (!this.#calls.isOpen(id)) return;
    this.#calls.result(id, this.#codec.encode(value));
    this.#pump();
  }

  async #stream(call: CallEvent, source: unknown, running: Running): Promise<void> {
    if (!isIterable(source) && !Array.isArray(source)) {
      throw new TypeError(
        `${call.method || "This object"} gives no stream: call it without iterating.`,
      );
    }
    const { signal } = running.controller;
    for await (const value of source) {
      while (!signal.aborted && !this.#calls.mayTake(call.id)) await this.#woken(running);
      if (signal.aborted) return; // which ends the source too
      this.#calls.item(call.id, this.#codec.encode(value));
      this.#pump();
    }
    this.#result(call.id, null);
  }

  #woken(running: Running): Promise<void> {
    return new Promise((resolve) => {
      running.wake = () => {
        running.wake = null;
        resolve();
      };
    });
  }

  #fail(call: CallEvent, error: unknown): void {
    if (call.flags & WANTS_NO_ANSWER) {
      this.#unheard(error);
      return;
    }
    this.#calls.error(call.id, errorParts(error));
    this.#pump();
  }

  /** A function that was an argument lives for its call, unless it is kept. */
  #letGo(handle: Handle): void {
    if (handle.kind === FUNCTION && !handle.isKept) this.#codec.received.giveBack(handle);
  }
}

function isMap(value: unknown): value is Record<string, unknown> {
  return (
    typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype
  );
}
