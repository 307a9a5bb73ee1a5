/** The link to the host, which comes back by itself after it was lost. */
import { type ReadonlySignal, signal } from "@preact/signals";
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
  readonly #watches: Watch[] = [];
  #peer: Peer | null = null;
  #delay = FIRST_DELAY_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #disposed = false;

  constructor(dial: Dial) {
    this.#dial = dial;
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
   * stream, `failed` of a stream that ended although the link stands. Before `open`.
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

  async open(): Promise<void> {
    let peer: Peer;
    try {
      peer = await this.#dial();
    } catch {
      // Why does not help anybody; that it is so, the panel says.
      this.#lost();
      return;
    }
    if (this.#disposed) {
      peer.close();
      return;
    }
    this.#peer = peer;
    this.#delay = FIRST_DELAY_MS;
    this.#state.value = "open";
    peer.closed.then(() => {
      if (peer === this.#peer) this.#lost();
    });
    const host = peer.root<HostService>();
    for (const watch of this.#watches) void watch(host, peer);
  }

  dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#timer);
    const peer = this.#peer;
    this.#peer = null;
    peer?.close();
  }

  #lost(): void {
    this.#peer = null;
    if (this.#disposed) return;
    this.#state.value = "lost";
    this.#timer = setTimeout(() => void this.open(), this.#delay);
    this.#delay = Math.min(this.#delay * 2, LONGEST_DELAY_MS);
  }
}
