/** A desk on which plugins only seem to run: what it is asked is noted, and its face is there to be called. */
import { keep, type Remote, reference } from "../../src/rpc/index.ts";
import type { FaceService, Line, Loaded } from "../../src/ui/plugins/service.ts";
import { Feed } from "./feed.ts";

export class FakeDesk {
  readonly face: Remote<FaceService>;
  readonly calls: string[] = [];
  loaded: readonly Loaded[] = [];
  /** What the next call fails with. */
  failure: string | null = null;
  onRun: (source: string, context: unknown) => unknown = () => null;
  readonly #feed = new Feed<readonly Loaded[]>();

  constructor(face: Remote<FaceService>) {
    this.face = keep(face);
    reference(this);
  }

  show(...loaded: readonly Loaded[]): void {
    this.loaded = loaded;
    this.#feed.say(loaded);
  }

  change(id: string, more: Partial<Loaded>): void {
    this.show(...this.loaded.map((one) => (one.id === id ? { ...one, ...more } : one)));
  }

  load(source: string): Loaded {
    this.#called("load", source);
    const made = loadedOf(String(this.loaded.length + 1), { name: source.slice(0, 20) });
    this.show(...this.loaded, made);
    return made;
  }

  async run(source: string, context: unknown): Promise<unknown> {
    this.#called("run", source, context);
    return await this.onRun(source, context);
  }

  stop(id: string): void {
    this.#called("stop", id);
    this.show(...this.loaded.filter((one) => one.id !== id));
  }

  reload(id: string): Loaded {
    this.#called("reload", id);
    const found = this.loaded.find((one) => one.id === id);
    if (!found) throw new Error("It is not loaded any more.");
    return found;
  }

  async *watch() {
    yield* this.#feed.from(this.loaded);
  }

  async *log(): AsyncGenerator<Line> {}

  open_window(name: string): string {
    this.#called("open_window", name);
    return "1";
  }

  #called(method: string, ...args: readonly unknown[]): void {
    this.calls.push([method, ...args.map((arg) => JSON.stringify(arg))].join(" "));
    const { failure } = this;
    this.failure = null;
    if (failure !== null) throw new Error(failure);
  }
}

export function loadedOf(id: string, more: Partial<Loaded> = {}): Loaded {
  return {
    id,
    plugin: "",
    name: "A plugin",
    kind: "window",
    tag: "",
    version: "0.1.0",
    state: "ready",
    error: null,
    status: "",
    progress: null,
    functions: ["setup", "run"],
    windows: [],
    ...more,
  };
}
