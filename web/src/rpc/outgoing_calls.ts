/** Calls of this side, while they wait for their answers. */
import type { Answers } from "./answers.ts";
import { Call } from "./call.ts";
import type { Arguments } from "./call_marks.ts";
import type { Codec } from "./codec.ts";
import { errorFrom, ProtocolError } from "./errors.ts";
import { WANTS_NO_ANSWER, WANTS_PROGRESS, WANTS_STREAM } from "./messages.ts";
import type { OwnCalls } from "./own_calls.ts";
import type { Handle } from "./remote.ts";
import type { Event } from "./session_events.ts";

/** `pinned`: the remotes that must not be given back until it is answered. */
type Asked = { readonly answers: Answers; readonly pinned: readonly Handle[] };
type Prepared = { readonly pinned: readonly Handle[]; readonly send: (flags: number) => number };

const [NO_ARGUMENTS, NO_KEYWORDS] = [Uint8Array.of(0x90), Uint8Array.of(0x80)];

export class OutgoingCalls {
  readonly #calls: OwnCalls;
  readonly #codec: Codec;
  readonly #pump: () => void;
  readonly #unheard: (error: unknown) => void;
  readonly #asked = new Map<number, Asked>();
  #lost: Error | null = null;

  /** `pump` is called when there is something to write. */
  constructor(calls: OwnCalls, codec: Codec, pump: () => void, unheard: (error: unknown) => void) {
    this.#calls = calls;
    this.#codec = codec;
    this.#pump = pump;
    this.#unheard = unheard;
  }

  get size(): number {
    return this.#asked.size;
  }

  /** Values are packed at once, so they are sent as they are now; the call is sent when it knows what it wants. */
  call(handle: Handle, method: string, content: Arguments): Call {
    try {
      content.options.signal?.throwIfAborted();
      const { pinned, send } = this.#prepare(handle, method, content);
      return new Call((answers, wants) => {
        const flags = (wants.stream ? WANTS_STREAM : 0) | (wants.progress ? WANTS_PROGRESS : 0);
        const id = send(flags);
        this.#asked.set(id, { answers, pinned });
        this.#pump();
        return { cancel: () => this.#cancel(id), more: (count) => this.#more(id, count) };
      }, content.options);
    } catch (error) {
      // Whoever awaits it hears of it, as of all that goes wrong with a call.
      return new Call(() => {
        throw error;
      });
    }
  }

  notify(handle: Handle, method: string, content: Arguments): void {
    const { pinned, send } = this.#prepare(handle, method, content);
    send(WANTS_NO_ANSWER);
    this.#unpin(pinned);
    this.#pump();
  }

  progress({ id, done, total, text }: Extract<Event, { type: "progress" }>): void {
    try {
      this.#asked.get(id)?.answers.progress({ done, total, text });
    } catch (error) {
      this.#unheard(error); // it was the caller's own function
    }
  }

  error({ id, error }: Extract<Event, { type: "error" }>): void {
    this.#finish(id)?.error(errorFrom(error));
  }

  result({ id, value, buffers }: Extract<Event, { type: "result" }>): void {
    const answers = this.#finish(id);
    this.#take(answers, value, buffers, (found) => answers?.result(found));
  }

  item({ id, value, buffers }: Extract<Event, { type: "item" }>): void {
    const answers = this.#asked.get(id)?.answers;
    const isTaken = this.#take(answers, value, buffers, (found) => answers?.item(found));
    if (!isTaken) this.#cancel(id);
  }

  /** The link is gone. */
  end(lost: Error): void {
    this.#lost = lost;
    const asked = [...this.#asked.values()];
    this.#asked.clear();
    for (const { answers } of asked) answers.error(lost);
  }

  #prepare(handle: Handle, method: string, { args, kwargs }: Arguments): Prepared {
    if (this.#lost) throw this.#lost;
    handle.check();
    const { packed, buffers, homes, undo } = this.#codec.encodeAll([args, kwargs]);
    const [packedArgs = NO_ARGUMENTS, packedKwargs = NO_KEYWORDS] = packed;
    const { object } = handle.lease;
    const call = { object, method, args: packedArgs, kwargs: packedKwargs, buffers, undo };
    const pinned = [handle, ...homes];
    for (const one of pinned) one.pins += 1;
    const send = (flags: number) => {
      try {
        if (this.#lost) throw this.#lost;
        return this.#calls.call({ ...call, flags });
      } catch (error) {
        undo();
        this.#unpin(pinned);
        throw error;
      }
    };
    return { pinned, send };
  }

  #cancel(id: number): void {
    if (this.#lost) return;
    if (!this.#calls.cancel(id)) this.#finish(id);
    this.#pump();
  }

  #more(id: number, count: number): void {
    if (this.#lost) return;
    this.#calls.more(id, count);
    this.#pump();
  }

  #finish(id: number): Answers | undefined {
    const asked = this.#asked.get(id);
    this.#asked.delete(id);
    if (asked) this.#unpin(asked.pinned);
    return asked?.answers;
  }

  #unpin(handles: readonly Handle[]): void {
    for (const handle of handles) {
      handle.pins -= 1;
      this.#codec.received.giveBackIfUnused(handle);
    }
  }

  /** Returns false if the value makes no sense here. */
  #take(
    answers: Answers | undefined,
    packed: Uint8Array,
    buffers: readonly ArrayBuffer[],
    give: (value: unknown) => void,
  ): boolean {
    try {
      const { value, handles } = this.#codec.decode([packed], buffers);
      if (answers?.isWanted) give(value[0]);
      else for (const handle of handles) this.#codec.received.giveBack(handle);
      return true;
    } catch (error) {
      if (!(error instanceof ProtocolError)) throw error;
      // The message was in order, only its value is not: that is this call's problem alone.
      answers?.error(error);
      return false;
    }
  }
}
