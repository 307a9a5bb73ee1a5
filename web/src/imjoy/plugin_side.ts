/** The side of a plugin: says hello, gets the `api`, and exports what it can do. */
import { API_VERSION, type Link, type Message } from "./messages.ts";
import { type PluginCodec, pluginArrivals, pluginNatives } from "./natives.ts";
import { Session } from "./session.ts";
import { randomId } from "./stores.ts";
import { messageOf, type Plain, V1Error } from "./values.ts";

export type PluginApi = Plain & {
  export(api: object, config?: Plain): Promise<void>;
  registerCodec(codec: PluginCodec): void;
  disposeObject(object: object): Promise<void>;
};

export type PluginConfig = Plain & {
  readonly name?: string;
  readonly type?: string;
  readonly allow_execution?: boolean;
};

export type Joining = {
  readonly config: PluginConfig;
  /** Runs code that is sent, where the config allows it. */
  readonly execute?: (code: Plain, api: PluginApi) => Promise<void>;
  /** The page has ended this plugin. */
  readonly ended?: () => void;
  readonly failed?: (error: unknown) => void;
};

const DEFAULTS = {
  version: "0.1.0",
  type: "rpc-window",
  allow_execution: false,
  api_version: API_VERSION,
  lang: "javascript",
  dedicated_thread: false,
  target_origin: "*",
};

/** Joins the other side of a link, and returns its `api`. */
export function join(link: Link, joining: Joining): Promise<PluginApi> {
  const { config } = joining;
  const plugin = new Plugin(link, joining);
  link.listen((message) => plugin.receive(message));
  const name = config.name ?? randomId();
  const described = { name, id: randomId(), description: `${name}`, ...DEFAULTS, ...plain(config) };
  link.send({
    type: "initialized",
    config: described,
    origin: globalThis.location?.origin ?? "null",
    peer_id: plugin.id,
  });
  return plugin.joined;
}

/** What can be sent of a config. */
function plain(config: PluginConfig): Plain {
  const entries = Object.entries(config).filter(([, value]) => typeof value !== "function");
  return Object.fromEntries(entries);
}

class Plugin {
  readonly id = randomId();
  readonly joined: Promise<PluginApi>;
  readonly #link: Link;
  readonly #joining: Joining;
  readonly #codecs = new Map<string, PluginCodec>();
  readonly #objectIds = new WeakMap<object, string>();
  readonly #session: Session;
  readonly #loaded: (() => void)[] = [];
  #join: (api: PluginApi) => void = () => undefined;
  #api: PluginApi | null = null;
  #isAsked = false;

  constructor(link: Link, joining: Joining) {
    this.#link = link;
    this.#joining = joining;
    this.joined = new Promise((resolve) => {
      this.#join = resolve;
    });
    this.#session = new Session({
      link,
      ownId: this.id,
      natives: pluginNatives(this.#codecs),
      arrivals: pluginArrivals(this.#codecs, (object, id) => {
        if (typeof id === "string") this.#objectIds.set(object, id);
      }),
      ...(joining.failed && { failed: joining.failed }),
    });
  }

  receive(message: Message): void {
    // A page may speak to many over one window.
    if (message["peer_id"] !== this.id) return;
    if (this.#session.receive(message)) return;
    if (message.type === "setInterface") this.#take(message);
    else if (message.type === "getInterface") this.#offer();
    else if (message.type === "execute") this.#execute(message);
    else if (message.type === "disconnect") this.#end();
  }

  #take(message: Message): void {
    this.#session.taken(message).then(
      (api) => {
        const isFirst = !this.#api;
        this.#api = Object.assign(this.#api ?? {}, api, this.#ownCalls()) as PluginApi;
        if (isFirst) this.#join(this.#api);
      },
      (error: unknown) => this.#joining.failed?.(error),
    );
  }

  /** Calls of the api that are answered here. */
  #ownCalls() {
    return {
      export: (api: object, config: Plain = {}) => this.#export(api, config),
      init: (config: Plain = {}) => this.#export({ setup: () => undefined }, config),
      registerCodec: (codec: PluginCodec) => this.#register(codec),
      disposeObject: async (object: object) => {
        const id = this.#objectIds.get(object);
        if (id === undefined) throw new V1Error("Only what came from elsewhere can be disposed.");
        await this.#session.dispose(id);
      },
      onLoad: (handler: () => void) => {
        if (this.#isAsked) handler();
        else this.#loaded.push(handler);
      },
      dispose: () => {
        this.#link.send({ type: "disconnect" });
        this.#end();
      },
    };
  }

  #export(api: object, _config: Plain): Promise<void> {
    if (typeof api === "function") {
      return Promise.reject(
        new V1Error("Export an instance of the class: api.export(new Name())."),
      );
    }
    return this.#session.offer(api);
  }

  #register(codec: PluginCodec): void {
    if (!codec?.name || !(codec.encoder || codec.decoder)) {
      throw new V1Error("A codec has a name, and a type with an encoder, a decoder, or both.");
    }
    for (const [name, { type }] of this.#codecs) {
      if (codec.type && type === codec.type) this.#codecs.delete(name);
    }
    this.#codecs.set(codec.name, codec);
  }

  #offer(): void {
    this.#isAsked = true;
    for (const handler of this.#loaded.splice(0)) handler();
    // If nothing is exported yet it is sent when it is.
    this.#session.offerAgain();
  }

  async #execute({ code, id }: Message): Promise<void> {
    const answer = (error?: string) =>
      this.#link.send({
        type: "executed",
        ...(id !== undefined && { id }),
        ...(error && { error }),
      });
    try {
      const { execute, config } = this.#joining;
      if (!execute || !config.allow_execution)
        throw new V1Error("This page runs no code of others.");
      await execute(code as Plain, await this.joined);
      answer();
    } catch (error) {
      answer((error instanceof Error && error.stack) || messageOf(error));
    }
  }

  #end(): void {
    this.#session.end("The page has ended.");
    this.#joining.ended?.();
  }
}
