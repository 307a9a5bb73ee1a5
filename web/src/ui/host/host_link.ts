/** The link to the host, which comes back by itself after it was lost. */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { ConnectionLost } from "../../rpc/errors.ts";
import type { Peer } from "../../rpc/peer.ts";
import type { Remote } from "../../rpc/remote_types.ts";
import type { HostService } from "./host_service.ts";

export type Host = Remote<HostService>;
/** Gets a peer of the host, after it was let in. */
export type Dial = () => Promise<Peer>;
export type LinkState = "connecting" | "open" | "lost";

type Watch = (host: Host, link: Peer) => Promise<void>;

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 5_000;

/** What a user reads where something needs the host and there is no link to it. */
export class NoHost extends Error {
  override name = "NoHost";
  constructor() {
    super("The host is out of reach. Try again when the connection is back.");
  }
}

export class HostLink {
  readonly #state = signal<LinkState>("connecting");
  readonly #dial: Dial;
  readonly #isServerThere: ReadonlySignal<boolean>;
  readonly #watches: Watch[] = [];
  readonly #ending = new AbortController();
  #peer: Peer | null = null;

  /** `isServerThere`: while it is not, nothing is tried, which a browser would only complain about. */
  constructor(dial: Dial, isServerThere: ReadonlySignal<boolean>) {
    this.#dial = dial;
    this.#isServerThere = isServerThere;
  }

  get state(): ReadonlySignal<LinkState> {
    return this.#state;
  }

  get host(): Host {
    if (!this.#peer) throw new NoHost();
    return this.#peer.root<HostService>();
  }

  /**
   * Follow a stream of the host, anew whenever the link is there again. `take` hears which item is the first of a
   * stream, `failed` of a stream that ended although the link stands. Before `keepOpen`.
   */
  watch<T>(
    start: (host: Host) => AsyncIterable<T>,
    take: (item: T, isFirst: boolean) => void,
    failed: (error: unknown) => void,
  ): void {
    this.#watches.push(async (host, peer) => {
      let isFirst = true;
      try {
        for await (const item of start(host)) {
          if (peer !== this.#peer) return;
          take(item, isFirst);
          isFirst = false;
        }
      } catch (error) {
        // The end of the link is no failure of a stream: all of them come back with it.
        if (peer === this.#peer && !(error instanceof ConnectionLost)) failed(error);
      }
    });
  }

  /** Runs until this is disposed. */
  async keepOpen(): Promise<void> {
    const ending = this.#ending.signal;
    let delay = FIRST_DELAY_MS;
    for (;;) {
      await becomesTrue(this.#isServerThere, ending);
      // Why there is no link does not help anybody; that there is none, the panel says.
      const peer = ending.aborted ? null : await this.#dial().catch(() => null);
      if (ending.aborted) {
        peer?.close();
        return;
      }
      if (peer) {
        delay = FIRST_DELAY_MS;
        await this.#use(peer);
      }
      this.#peer = null;
      if (ending.aborted) return;
      this.#state.value = "lost";
      await passes(delay, ending);
      delay = Math.min(delay * 2, LONGEST_DELAY_MS);
    }
  }

  dispose(): void {
    this.#ending.abort();
    this.#peer?.close();
    this.#peer = null;
  }

  /** Settled when the link has ended. */
  async #use(peer: Peer): Promise<void> {
    this.#peer = peer;
    this.#state.value = "open";
    const host = peer.root<HostService>();
    for (const watch of this.#watches) void watch(host, peer);
    await peer.closed;
  }
}

function becomesTrue(condition: ReadonlySignal<boolean>, ending: AbortSignal): Promise<void> {
  return wait(ending, (done) =>
    effect(() => {
      if (condition.value) done();
    }),
  );
}

function passes(milliseconds: number, ending: AbortSignal): Promise<void> {
  return wait(ending, (done) => {
    const timer = setTimeout(done, milliseconds);
    return () => clearTimeout(timer);
  });
}

/** Settled when what is started is done, or at the end of all. */
async function wait(ending: AbortSignal, start: (done: () => void) => () => void): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const done = () => resolve();
  ending.addEventListener("abort", done);
  const stop = start(done);
  if (ending.aborted) done();
  await promise;
  stop();
  ending.removeEventListener("abort", done);
}
