/** Calls in both directions between two sides that speak v1. */
import { type Arrivals, type Callables, decode } from "./decoder.ts";
import { type EncodedValue, Encoder, type Natives } from "./encoder.ts";
import type { Link, Message } from "./messages.ts";
import { remotes } from "./natives.ts";
import { type Callable, CallbackStore, ObjectStore } from "./stores.ts";
import { isPlain, messageOf, type Plain, V1Error } from "./values.ts";

export type SessionOptions = {
  readonly link: Pick<Link, "send">;
  readonly natives: Natives;
  readonly arrivals: Arrivals;
  /** What the functions of this side are said to belong to. */
  readonly ownId?: string | undefined;
  /** Goes with each message. */
  readonly peerId?: string | undefined;
  /** What a rejected call is rejected with: of what came, as it was read. */
  readonly failure?: (error: unknown) => unknown;
  /** Hears of failures that nobody waits for. */
  readonly failed?: (error: unknown) => void;
};

/** Methods whose arguments stay: functions in them are called again and again. */
const KEEPING = ["register", "registerService", "register_service", "export", "on"];

export class Session {
  readonly #options: SessionOptions;
  readonly #objects = new ObjectStore();
  readonly #callbacks = new CallbackStore();
  readonly #encoder: Encoder;
  readonly #callables: Callables;
  readonly #disposals: ((error: string | null) => void)[] = [];
  readonly #waiting = new Set<(error: unknown) => void>();
  #own: object | null = null;
  #ended: Error | null = null;
  #taken: (() => void)[] = [];

  constructor(options: SessionOptions) {
    this.#options = options;
    const { natives, ownId } = options;
    this.#encoder = new Encoder(this.#objects, this.#callbacks, natives, ownId);
    this.#callables = {
      callback: (target_id, id) => this.#proxy({ type: "callback", target_id, id }, false),
      method: (target_id, object_id, name) =>
        this.#proxy({ type: "method", target_id, object_id, name }, KEEPING.includes(name)),
    };
  }

  /** How many objects and callbacks of this side the other holds. */
  get held(): number {
    return this.#objects.size + this.#callbacks.size;
  }

  /** Sends what the other side may call. Done when it has taken it. */
  async offer(api: object): Promise<void> {
    this.#own = api;
    const taken = new Promise<void>((resolve) => this.#taken.push(resolve));
    const encoded = this.#encoder.encode(api, true);
    await all(encoded.pending);
    this.#send({ type: "setInterface", api: encoded.value }, encoded.given);
    await taken;
  }

  /** Sends again what is offered; false: nothing is. */
  offerAgain(): boolean {
    if (!this.#own) return false;
    this.offer(this.#own).catch((error: unknown) => this.#options.failed?.(error));
    return true;
  }

  /** What the other side offers, of its `setInterface`. Throws a V1Error. */
  async taken(message: Message): Promise<Plain> {
    const decoded = decode(message["api"], this.#options.arrivals, this.#callables);
    await all(decoded.pending);
    this.#send({ type: "interfaceSetAsRemote" });
    return isPlain(decoded.value) ? decoded.value : {};
  }

  /** The other side forgets an object of its. Throws a V1Error. */
  async dispose(id: string): Promise<void> {
    const error = await new Promise<string | null>((resolve, reject) => {
      if (this.#ended) reject(this.#ended);
      this.#disposals.push(resolve);
      this.#send({ type: "disposeObject", object_id: id });
    });
    if (error !== null) throw new V1Error(error);
  }

  /** What came, if it is a matter of this session; whether it was. */
  receive(message: Message): boolean {
    switch (message.type) {
      case "method":
      case "callback":
        this.#answer(message).catch((error: unknown) => this.#options.failed?.(error));
        return true;
      case "interfaceSetAsRemote":
        for (const resolve of this.#taken.splice(0)) resolve();
        return true;
      case "disposeObject":
        this.#dispose(message["object_id"]);
        return true;
      case "disposed":
        // There is nothing in it that says of what: they are answered in their order.
        this.#disposals.shift()?.(message["error"] ? String(message["error"]) : null);
        return true;
      default:
        return false;
    }
  }

  /** All that waits fails with the reason, and so does what is called from now on. */
  end(reason: string): void {
    this.#ended ??= new V1Error(reason);
    for (const reject of [...this.#waiting]) reject(this.#ended);
    this.#waiting.clear();
    this.#objects.clear();
    this.#callbacks.clear();
  }

  #dispose(id: unknown): void {
    try {
      this.#objects.dispose(String(id));
      this.#send({ type: "disposed" });
    } catch (error) {
      this.#send({ type: "disposed", error: messageOf(error) });
    }
  }

  async #answer(message: Message): Promise<void> {
    const [resolve, reject] = this.#answersTo(message["promise"]);
    try {
      const call = this.#called(message);
      const args = await this.#decoded(message["args"] ?? []);
      const list = Array.isArray(args) ? args : [args];
      if (message["with_kwargs"]) markKeywords(list);
      const result = await call(...list);
      // What cannot be sent is the failure of the call.
      if (resolve) await resolve(result);
    } catch (error) {
      if (reject) await reject(error);
      else this.#options.failed?.(error);
    }
  }

  /** The two ways to answer a call; nothing comes back from them. */
  #answersTo(promise: unknown): (Callable | undefined)[] {
    if (!promise) return [];
    const quiet = (head: Message): Callable => {
      return async (value) => {
        const encoded = this.#encoder.encode([value]);
        await all(encoded.pending);
        this.#send({ ...head, args: encoded.value }, encoded.given);
      };
    };
    const callables: Callables = {
      callback: (target_id, id) => quiet({ type: "callback", target_id, id }),
      method: (target_id, object_id, name) => quiet({ type: "method", target_id, object_id, name }),
    };
    const { value } = decode(promise, this.#options.arrivals, callables);
    const answers = Array.isArray(value) ? value : [];
    return answers.map((answer) => (typeof answer === "function" ? answer : undefined));
  }

  #called({ type, id, name, object_id }: Message): Callable {
    if (type === "callback") {
      if (typeof id === "number" || typeof id === "string") return this.#callbacks.take(id);
      throw new V1Error("A callback has no number.");
    }
    if (typeof name !== "string") throw new V1Error("A call has no name.");
    return this.#objects.method(String(object_id), name);
  }

  async #decoded(value: unknown): Promise<unknown> {
    const decoded = decode(value, this.#options.arrivals, this.#callables);
    await all(decoded.pending);
    return decoded.value;
  }

  #proxy(head: Message, keeps: boolean): Callable {
    const proxy: Callable = (...args) =>
      new Promise((resolve, reject) => {
        const over = (error: unknown) => {
          this.#waiting.delete(over);
          reject(error);
        };
        this.#waiting.add(over);
        this.#call(head, args, keeps, [
          (value) => {
            this.#waiting.delete(over);
            resolve(value);
          },
          (error) => over(this.#options.failure?.(error) ?? error),
        ]).catch(over);
      });
    remotes.add(proxy);
    // v1's own library tells them by this, and some plugins look at it.
    return Object.assign(proxy, { __remote_method: true });
  }

  async #call(
    head: Message,
    given: unknown[],
    keeps: boolean,
    [resolve, reject]: [Callable, Callable],
  ): Promise<void> {
    if (this.#ended) throw this.#ended;
    const { args, hasKeywords } = splitKeywords(given);
    const encoded: EncodedValue = this.#encoder.encode(args, keeps);
    if (encoded.pending.length > 0) await all(encoded.pending);
    if (this.#ended) throw this.#ended;
    const promise = this.#encoder.encodePair(resolve, reject);
    const marked = hasKeywords ? { with_kwargs: true } : {};
    this.#send({ ...head, args: encoded.value, promise, ...marked }, encoded.given);
  }

  #send(message: Message, given: Transferable[] = []): void {
    if (this.#ended) return;
    const { peerId, link } = this.#options;
    link.send(peerId === undefined ? message : { ...message, peer_id: peerId }, given);
  }
}

/** Keyword arguments of Python are the last argument, and marked. */
function splitKeywords(args: unknown[]): { args: unknown[]; hasKeywords: boolean } {
  const last = args.at(-1);
  if (!isPlain(last) || !last["_rkwargs"]) return { args, hasKeywords: false };
  const { _rkwargs, ...keywords } = last;
  return { args: [...args.slice(0, -1), keywords], hasKeywords: true };
}

function markKeywords(args: unknown[]): void {
  const last = args.at(-1);
  if (isPlain(last)) last["_rkwargs"] = true;
}

async function all(pending: readonly Promise<void>[]): Promise<void> {
  if (pending.length > 0) await Promise.all(pending);
}
