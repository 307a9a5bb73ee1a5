/** The link of a page of others to Opsin: its `api`, and the plugins that run in the page. */
import type { PluginCodec } from "../imjoy/natives.ts";
import { isPlain, type Plain } from "../imjoy/values.ts";
import { connect } from "../rpc/connect.ts";
import { type Peer, type Reference, type Remote, reference } from "../rpc/index.ts";
import type { FaceService, Loaded } from "../ui/plugins/service.ts";
import { apiOf } from "../workers/carried.ts";
import type { FramePlaces } from "../workers/frame_spec.ts";
import { PageFace } from "./page_face.ts";
import { styleWindows } from "./panels.ts";
import { codecs, fromHost, interfaceOf, toHost } from "./values.ts";

export type LoadOptions = {
  /** Where windows, notices and dialogs go; without one, at the end of the page. */
  readonly container?: HTMLElement;
  /** By which plugins find the page; without one, its title. */
  readonly name?: string;
  /** What the page answers to calls of plugins in place of Opsin, as ImJoy's `imjoy_api`: the plugin comes first. */
  readonly imjoyApi?: Readonly<Record<string, unknown>>;
};
export type State = "connecting" | "open" | "lost" | "closed";
/** ImJoy's `api`. */
export type Api = Record<string, (...args: unknown[]) => Promise<unknown>>;

type Joined = {
  readonly names: readonly string[];
  readonly constants: Plain;
  readonly call: (name: string, args: unknown[]) => Promise<unknown>;
  readonly export: (api: Plain) => Promise<unknown>;
  readonly frames: FramePlaces;
};
interface EmbeddedDesk {
  join(name: string, answers: Plain): Joined;
  load(source: string, tag: string): Loaded;
  run(source: string, context: unknown): unknown;
  stop(id: string): void;
  watch(): AsyncIterable<readonly Loaded[]>;
}
interface EmbeddedHost {
  desk(face: Reference<FaceService>): Reference<EmbeddedDesk>;
}
type Linked = {
  readonly peer: Peer;
  readonly desk: Remote<EmbeddedDesk>;
  readonly joined: Joined;
};

const FIRST_DELAY_MS = 500;
const LONGEST_DELAY_MS = 5_000;

/**
 * Events: `connection` ({state}), `windowopened` ({id, name, windowId, element}), `windowclosed` ({id}), `plugins`
 * ({loaded}), `message`, `status`, `progress`, `log`.
 */
export class Opsin extends EventTarget {
  state: State = "connecting";
  /** Calls of it fail while the link is lost. */
  api: Api = {};
  readonly #base: URL;
  readonly #options: LoadOptions;
  readonly #container: HTMLElement;
  readonly #face: PageFace;
  #linked: Linked | null = null;
  #exported: object | null = null;
  /** What the page offers, by the ids of services: it is offered again when the link comes back. */
  readonly #services = new Map<string, { readonly name: string; readonly service: Plain }>();

  /** `base`: the address that the script came from, `…/host/TOKEN/`. */
  constructor(base: URL, options: LoadOptions) {
    super();
    this.#base = base;
    this.#options = options;
    styleWindows();
    this.#container = options.container ?? document.createElement("div");
    if (!options.container) document.body.append(this.#container);
    this.#face = new PageFace(this.#container, (event, detail) => this.#report(event, detail));
  }

  /** Throws an Error that says what can be done. */
  async open(): Promise<void> {
    await this.#connect();
    void this.#keepOpen();
  }

  /** Load a plugin: the name of one that Opsin's owner has, an ImJoy URI, an address, or its text. */
  async load(source: string, tag = ""): Promise<Loaded> {
    return this.#theLink().desk.load(source, tag);
  }

  /** What a click on a plugin does: load it if need be, and call its `run({config, data})`. */
  async run(source: string, context: unknown = {}): Promise<unknown> {
    const { desk } = this.#theLink();
    return fromHost(await desk.run(source, await toHost(context)));
  }

  /** End a plugin, by the id that `load` gave. */
  async stop(id: string): Promise<void> {
    await this.#theLink().desk.stop(id);
  }

  /** End all, for good. */
  close(): void {
    this.#enter("closed");
    this.#face.remove();
    if (!this.#options.container) this.#container.remove();
    this.#linked?.peer.close();
    this.#linked = null;
  }

  async #connect(): Promise<void> {
    const address = new URL("rpc", this.#base);
    address.protocol = address.protocol.replace("http", "ws");
    const peer = await connect(address).catch(() => {
      throw new Error(
        `Opsin at ${this.#base.host} cannot be reached: it does not run, or does not let in pages of ${location.origin} (opsin serve --embed ${location.origin}).`,
      );
    });
    try {
      const host = peer.root<EmbeddedHost>();
      const desk = await host.desk(reference(this.#face as FaceService));
      const name = this.#options.name ?? document.title;
      const joined = (await desk.join(name, await answersOf(this.#options))) as unknown as Joined;
      const place = (path: string) => new URL(path, new URL("../../", this.#base)).href;
      const { closed, open } = joined.frames;
      this.#face.places = { closed: place(closed), open: place(open) };
      this.#linked = { peer, desk, joined };
    } catch (error) {
      peer.close();
      throw error;
    }
    this.#makeApi(this.#linked.joined);
    await this.#offerAgain();
    void this.#follow(this.#linked);
    this.#enter("open");
  }

  async #keepOpen(): Promise<void> {
    let delay = FIRST_DELAY_MS;
    while (this.state !== "closed") {
      if (this.#linked) {
        await this.#linked.peer.closed;
        this.#linked = null;
        this.#face.places = null;
        this.#face.forgetFrames();
        if (this.state === "open") this.#enter("lost");
        delay = FIRST_DELAY_MS;
      }
      await new Promise((resolve) => setTimeout(resolve, delay));
      delay = Math.min(delay * 2, LONGEST_DELAY_MS);
      // Why there is no link now does not help anybody: that it is lost, the page knows.
      if (this.state === "lost") await this.#connect().catch(() => undefined);
    }
    // Closed while it was being linked anew.
    (this.#linked as Linked | null)?.peer.close();
  }

  async #follow({ desk }: Linked): Promise<void> {
    try {
      for await (const loaded of desk.watch()) this.#report("plugins", { loaded });
    } catch {
      // It ends with the link.
    }
  }

  /** The same object for ever, as scripts keep it. */
  #makeApi({ names, constants }: Joined): void {
    const made = apiOf(names, constants, (name, args) => this.#call(name, args));
    made["export"] = async (offered: object) => {
      this.#exported = offered;
      await this.#theLink().joined.export(await interfaceOf(offered));
    };
    made["registerCodec"] = async (codec: PluginCodec) => void codecs.set(codec.name, codec);
    made["disposeObject"] = async () => undefined;
    Object.assign(this.api, made);
  }

  async #call(name: string, args: unknown[]): Promise<unknown> {
    const { call } = this.#theLink().joined;
    const answer = fromHost(await call(name, await Promise.all(args.map(toHost))));
    if ((name === "registerService" || name === "register") && isPlain(args[0])) {
      this.#services.set(String(answer), { name, service: { ...args[0], id: answer } });
    } else if (name === "unregisterService" || name === "unregister") {
      const [which] = args;
      if (which === undefined || which === null) this.#services.clear();
      else {
        const { id, name: own } = isPlain(which) ? which : { id: which, name: "" };
        this.#services.delete(String(id ?? own));
      }
    }
    return answer;
  }

  async #offerAgain(): Promise<void> {
    if (!this.#linked) return;
    const { joined } = this.#linked;
    if (this.#exported) await joined.export(await interfaceOf(this.#exported));
    for (const { name, service } of this.#services.values()) {
      await joined.call(name, [await toHost(service)]);
    }
  }

  #theLink(): Linked {
    if (this.#linked) return this.#linked;
    const why = this.state === "closed" ? "was closed" : "is lost: try again when it is back";
    throw new Error(`The link to Opsin ${why}.`);
  }

  #enter(state: State): void {
    if (this.state === "closed") return;
    this.state = state;
    this.#report("connection", { state });
  }

  #report(event: string, detail: unknown): void {
    this.dispatchEvent(new CustomEvent(event, { detail }));
  }
}

/** Functions of the page by the names of calls: `{alert, utils: {openUrl}}` is `alert` and `utils.openUrl`. */
async function answersOf({ imjoyApi = {} }: LoadOptions): Promise<Plain> {
  const found: [string, unknown][] = [];
  for (const [name, one] of Object.entries(imjoyApi)) {
    if (typeof one === "function") found.push([name, one.bind(imjoyApi)]);
    else if (isPlain(one)) {
      for (const [inner, call] of Object.entries(one)) {
        if (typeof call === "function") found.push([`${name}.${inner}`, call.bind(one)]);
      }
    }
  }
  return (await toHost(Object.fromEntries(found))) as Plain;
}
