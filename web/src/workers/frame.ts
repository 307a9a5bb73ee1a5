/** Starts plugins that run in the page, each in a sandboxed frame (protocol/IMJOY.md). */
import { HostSide } from "../imjoy/host_side.ts";
import { windowLink } from "../imjoy/messages.ts";
import { messageOf } from "../imjoy/values.ts";
import { apiOf, failureOf, fromFrame, toFrame } from "./carried.ts";
import { nameOf, orderOf } from "./frame_code.ts";
import { makeFrame } from "./frame_page.ts";
import type {
  Carried,
  Code,
  FrameApi,
  FramePlaces,
  FrameSpec,
  Started,
  Tell,
} from "./frame_spec.ts";
import { relayed } from "./port_link.ts";

/** How long a page may take to say hello. */
const HELLO_MS = 30_000;
/** How long after its code a plugin may take to export something. */
const EXPORT_MS = 60_000;

/**
 * Starts the frame in `place`, where it stays. Throws an Error that says what failed. `where`: the pages of frames,
 * with their server if that is not the page's own.
 */
export async function startFrame(
  spec: FrameSpec,
  api: FrameApi,
  tell: Tell,
  place: HTMLElement,
  where: Promise<FramePlaces> | FramePlaces = framePlaces(),
): Promise<Started> {
  const frame = new Frame(spec, api, tell, await where);
  return await frame.start(place);
}

let places: Promise<FramePlaces> | null = null;

/** Asked of the server once. */
function framePlaces(): Promise<FramePlaces> {
  places ??= fetch("api/frames").then(async (answer) => {
    if (!answer.ok)
      throw new Error("The server did not say where frames are. Load the page again.");
    return (await answer.json()) as FramePlaces;
  });
  places.catch(() => {
    places = null;
  });
  return places;
}

class Frame {
  readonly #spec: FrameSpec;
  readonly #api: FrameApi;
  readonly #tell: Tell;
  readonly #element: HTMLIFrameElement;
  readonly #exports: ((api: Carried) => void)[] = [];
  readonly #ending = Promise.withResolvers<never>();
  readonly #watch: ResizeObserver;
  /** Who takes the frame out of the page gives it up. */
  readonly #removal: MutationObserver;
  #side: HostSide | null = null;
  #isStarted = false;
  #isOver = false;

  constructor(spec: FrameSpec, api: FrameApi, tell: Tell, where: FramePlaces) {
    this.#spec = spec;
    this.#api = api;
    this.#tell = tell;
    this.#element = makeFrame(spec, where);
    this.#ending.promise.catch(() => undefined);
    this.#watch = new ResizeObserver(() => {
      const { clientWidth: w, clientHeight: h } = this.#element;
      if (this.#isStarted) this.#report("resized", { w, h });
    });
    this.#removal = new MutationObserver(() => {
      if (this.#element.isConnected) return;
      const wasStarted = this.#isStarted;
      if (this.#end("Its window was closed.") && wasStarted) this.#report("closed", {});
    });
  }

  async start(place: HTMLElement): Promise<Started> {
    const side = this.#listen();
    place.append(this.#element);
    this.#removal.observe(document, { childList: true, subtree: true });
    window.addEventListener("blur", this.#blurred);
    try {
      const config = await this.#within(side.ready, HELLO_MS, this.#noHello());
      await this.#within(this.#run(side, config), 0, "");
      const exported = await this.#exported(side);
      this.#isStarted = true;
      this.#watch.observe(this.#element);
      return {
        interface: exported,
        config,
        stop: async () => void this.#end("The plugin was stopped."),
        control: (name, args = []) => this.#control(name, args),
      };
    } catch (error) {
      this.#end("The plugin did not start.");
      throw failureOf(error);
    }
  }

  #listen(): HostSide {
    const { id, name, kind, worker, python, version } = this.#spec;
    const toFrameWindow = windowLink(window, () => this.#element.contentWindow);
    const { link, port } = relayed(toFrameWindow);
    const side = new HostSide({
      link,
      natives: toFrame,
      arrivals: fromFrame,
      failure: failureOf,
      given: [port],
      config: {
        id,
        name,
        type: kind,
        version,
        allow_execution: true,
        enable_service_worker: false,
        expose_api_globally: true,
        forwarding_functions: [],
        ...(worker && { base_worker: worker }),
        ...(python && { python }),
      },
      exported: (api) => this.#take(api),
      log: (level, text) => this.#report("log", { level, items: [text] }),
      ended: () => {
        if (this.#end("The plugin has ended itself.")) this.#report("closed", {});
      },
    });
    this.#side = side;
    return side;
  }

  async #run(side: HostSide, config: Carried): Promise<void> {
    const { names, constants, code, name } = this.#spec;
    await side.offer(apiOf(names, constants, (called, args) => this.#api(called, args)));
    if (!config["allow_execution"]) {
      if (code.some(({ type }) => type === "script" || type === "module")) {
        throw new Error(`${name} has scripts, but its page runs none.`);
      }
      return;
    }
    for (const part of code) await this.#execute(side, part);
  }

  async #execute(side: HostSide, part: Code): Promise<void> {
    try {
      await side.execute(orderOf(part));
    } catch (error) {
      const text = `${nameOf(part)} failed: ${messageOf(error)}`;
      const isStyle = part.type === "style" || part.type === "link" || part.lang === "style";
      // A page without its style is still of use.
      if (!isStyle || this.#isOver) throw new Error(text, { cause: error });
      this.#report("log", { level: "error", items: [text] });
    }
  }

  async #exported(side: HostSide): Promise<Carried> {
    if (this.#spec.passive) return {};
    const coming = new Promise<Carried>((resolve) => this.#exports.push(resolve));
    side.ask();
    const late = `${this.#spec.name} exported nothing. It has to call api.export(…).`;
    return await this.#within(coming, EXPORT_MS, late);
  }

  /** It exports by itself and is asked for it too: what comes before the start is over counts once. */
  #take(api: Carried): void {
    for (const resolve of this.#exports.splice(0)) resolve(api);
    if (this.#isStarted) this.#report("exported", { interface: api });
  }

  #control(name: string, _args: readonly unknown[]): unknown {
    if (name === "focus") this.#element.focus();
    else if (name === "show") this.#element.style.visibility = "visible";
    else if (name === "hide") this.#element.style.visibility = "hidden";
    return null;
  }

  /** Whether it had not ended before. */
  #end(reason: string): boolean {
    if (this.#isOver) return false;
    this.#isOver = true;
    this.#watch.disconnect();
    this.#removal.disconnect();
    window.removeEventListener("blur", this.#blurred);
    this.#side?.end(reason);
    this.#element.remove();
    this.#ending.reject(new Error(reason));
    return true;
  }

  /** Who clicks into a frame takes the focus from the page. */
  readonly #blurred = () => {
    if (document.activeElement === this.#element) this.#report("focused", {});
  };

  #report(event: string, detail: Carried): void {
    Promise.resolve(this.#tell(event, detail)).catch(() => undefined);
  }

  #noHello(): string {
    const { page, name } = this.#spec;
    return page
      ? `${name} did not answer: ${page} is out of reach, or it is no page for ImJoy (one that calls setupRPC).`
      : `${name} did not start: its frame did not answer.`;
  }

  async #within<T>(work: Promise<T>, longest: number, late: string): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    const over = new Promise<never>((_, reject) => {
      if (longest > 0) timer = setTimeout(() => reject(new Error(late)), longest);
    });
    try {
      return await Promise.race([work, over, this.#ending.promise]);
    } finally {
      clearTimeout(timer);
    }
  }
}
