/** The side that plugins call: one conversation with one peer, from its hello to its end. */
import type { Arrivals } from "./decoder.ts";
import type { Natives } from "./encoder.ts";
import type { Link, Message } from "./messages.ts";
import { Session } from "./session.ts";
import { randomId } from "./stores.ts";
import { isPlain, messageOf, type Plain, V1Error } from "./values.ts";

export type Hosting = {
  readonly link: Link;
  readonly natives: Natives;
  readonly arrivals: Arrivals;
  /** What a peer that waits for it is told to be. */
  readonly config: Plain;
  /** Goes with the answer to a peer's hello. */
  readonly given?: Transferable[];
  readonly failure?: (error: unknown) => unknown;
  /** It exported, for the first time or again. */
  readonly exported: (api: Plain) => void;
  readonly log: (level: string, text: string) => void;
  /** It has ended by itself. */
  readonly ended: () => void;
};

/** How long a peer of ImJoy's library may take for the second of its two answers to one order. */
const SECOND_ANSWER_MS = 150;

export class HostSide {
  /** The config of the peer, when it has said hello. */
  readonly ready: Promise<Plain>;
  readonly #hosting: Hosting;
  #ready: { resolve(config: Plain): void; reject(error: unknown): void } | null = null;
  #session: Session | null = null;
  #config: Plain = {};
  #executed: ((message: Message) => void) | null = null;
  #isOver = false;

  constructor(hosting: Hosting) {
    this.#hosting = hosting;
    this.ready = new Promise((resolve, reject) => {
      this.#ready = { resolve, reject };
    });
    this.ready.catch(() => undefined);
    hosting.link.listen((message) => this.#receive(message));
  }

  /** Gives the peer its `api`. */
  async offer(api: object): Promise<void> {
    await this.#theSession().offer(api);
  }

  /** Runs code over there. Throws a V1Error when it fails, or if the peer runs none. */
  async execute(code: Plain): Promise<void> {
    if (!this.#config["allow_execution"]) throw new V1Error("The page runs no code of plugins.");
    const id = randomId();
    const answers: Message[] = [];
    await new Promise<void>((resolve) => {
      this.#executed = (message) => {
        answers.push(message);
        // ImJoy's own frames answer twice, and only the first answer says what failed.
        if (message["id"] === id || answers.length === 2) resolve();
        else setTimeout(resolve, SECOND_ANSWER_MS);
      };
      this.#send({ type: "execute", code, id });
    });
    this.#executed = null;
    if (this.#isOver) throw new V1Error("The plugin has ended.");
    const failed = answers.find(({ error }) => error);
    if (failed) throw new V1Error(messageOf(failed["error"]));
  }

  /** Asks for what the peer exports; it comes when it is there. */
  ask(): void {
    this.#send({ type: "getInterface" });
  }

  /** The peer is not heard any more. */
  end(reason: string): void {
    if (this.#isOver) return;
    this.#send({ type: "disconnect" });
    this.#isOver = true;
    this.#session?.end(reason);
    this.#ready?.reject(new V1Error(reason));
    this.#executed?.({ type: "executed", id: null });
    this.#hosting.link.close();
  }

  #receive(message: Message): void {
    if (this.#isOver) return;
    if (message.type === "imjoyRPCReady") this.#greet(message);
    else if (message.type === "initialized") this.#begin(message);
    else if (message.type === "setInterface") this.#take(message);
    else if (message.type === "executed") this.#executed?.(message);
    else if (message.type === "disconnect") this.#hosting.ended();
    else if (message.type === "error" || message.type === "log") {
      const { message: text, level } = message;
      this.#hosting.log(typeof level === "string" ? level : message.type, messageOf(text));
    } else this.#session?.receive(message);
  }

  #greet({ peer_id }: Message): void {
    const { link, config, given = [] } = this.#hosting;
    // What goes with it can be given once.
    if (!this.#session) link.send({ type: "initialize", config, peer_id }, given.splice(0));
  }

  #begin({ config, peer_id, error }: Message): void {
    // Who comes a second time is a page that was loaded anew: it has none of what the first one had.
    if (this.#session) return;
    if (error || typeof peer_id !== "string") {
      this.#ready?.reject(new V1Error(messageOf(error ?? "The page did not say who it is.")));
      return;
    }
    const { link, natives, arrivals, failure, log } = this.#hosting;
    this.#config = isPlain(config) ? config : {};
    this.#session = new Session({
      link,
      natives,
      arrivals,
      peerId: peer_id,
      failed: (reason) => log("error", messageOf(reason)),
      ...(failure && { failure }),
    });
    this.#peerId = peer_id;
    this.#ready?.resolve(this.#config);
  }

  #peerId = "";

  #take(message: Message): void {
    const { exported, log } = this.#hosting;
    this.#session
      ?.taken(message)
      .then(exported, (error: unknown) => log("error", messageOf(error)));
  }

  #send(message: Message): void {
    this.#hosting.link.send({ ...message, peer_id: this.#peerId });
  }

  #theSession(): Session {
    if (!this.#session || this.#isOver) throw new V1Error("The plugin has ended.");
    return this.#session;
  }
}
