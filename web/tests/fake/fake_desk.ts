/** A desk on which plugins only seem to run: what it is asked is noted, and its face is there to be called. */
import { keep, type Remote, reference } from "../../src/rpc/index.ts";
import type { FaceService, Folder, Line, Loaded, Offered } from "../../src/ui/plugins/service.ts";
import { Feed } from "./feed.ts";

export class FakeDesk {
  readonly face: Remote<FaceService>;
  readonly calls: string[] = [];
  loaded: readonly Loaded[] = [];
  /** What the next call fails with. */
  failure: string | null = null;
  /** Ids of plugins of which there is something newer. */
  readonly newer = new Set<string>();
  offered: readonly Offered[] = [];
  /** By paths, as they are asked for. */
  readonly folders = new Map<string, Folder>();
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

  update(plugin: string): boolean {
    this.#called("update", plugin);
    return this.newer.delete(plugin);
  }

  async open_link(address: string): Promise<void> {
    this.#called("open_link", address);
  }

  async repository(name: string): Promise<readonly Offered[]> {
    this.#called("repository", name);
    return this.offered;
  }

  async list_files(path: string): Promise<Folder> {
    this.#called("list_files", path);
    const found = this.folders.get(path);
    if (!found) throw new Error(`${path} cannot be listed: there is no such folder.`);
    return found;
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
