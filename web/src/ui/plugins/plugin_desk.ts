/** The desk of this page: the plugins that it has loaded, and what can be done with them. */
import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { Cancelled, ConnectionLost } from "../../rpc/errors.ts";
import { type Remote, reference } from "../../rpc/index.ts";
import { sentenceOf } from "../errors.ts";
import { type Host, type HostLink, NoHost } from "../host/host_link.ts";
import type { Plugin } from "../host/host_service.ts";
import type { Notices } from "../notices.ts";
import type { Activity } from "./activity.ts";
import type { Questions } from "./dialogs/questions.ts";
import type { Face } from "./face.ts";
import type { About, DeskHost, DeskService, Folder, Loaded, Offered } from "./service.ts";
import type { Rerun, WindowMemory } from "./windows/memory.ts";
import type { PluginWindows } from "./windows/plugin_windows.ts";

export type DeskParts = {
  readonly link: HostLink;
  readonly face: Face;
  readonly windows: PluginWindows;
  readonly questions: Questions;
  readonly activity: Activity;
  readonly notices: Notices;
  readonly memory: WindowMemory;
  readonly showLog: (about: About) => void;
  /** Is called once, when the desk is there for the first time. */
  readonly begun?: () => void;
};

/** Windows are moved by many small steps; their places are kept after the last. */
const KEEP_AFTER_MS = 400;

export class PluginDesk {
  readonly #parts: DeskParts;
  readonly #loaded = signal<readonly Loaded[]>([]);
  readonly #runs = signal<readonly Rerun[]>([]);
  readonly #updating = signal<ReadonlySet<string>>(new Set());
  /** Ids of plugins whose run was ended from here. */
  readonly #stopped = new Set<string>();
  #desk: Remote<DeskService> | null = null;
  #whyNone: string | null = null;
  #isRestoring = true;
  #hasBegun = false;
  readonly #stop: () => void;

  /** Ids of plugins that are being fetched anew. */
  get updating(): ReadonlySignal<ReadonlySet<string>> {
    return this.#updating;
  }

  /** Those that have not ended. */
  readonly loaded: ReadonlySignal<readonly Loaded[]> = computed(() =>
    this.#loaded.value.filter(({ state }) => state !== "ended"),
  );

  constructor(parts: DeskParts) {
    this.#parts = parts;
    parts.link.watch(
      (host) => this.#follow(host),
      (loaded, isFirst) => this.#take(loaded, isFirst),
      (error) => {
        this.#desk = null;
        this.#whyNone = sentenceOf(error);
      },
    );
    let timer: ReturnType<typeof setTimeout> | undefined;
    const keeping = effect(() => {
      const kept = { layout: parts.windows.layout.value, runs: this.#shownRuns() };
      clearTimeout(timer);
      timer = setTimeout(() => {
        if (!this.#isRestoring) parts.memory.keep(kept);
      }, KEEP_AFTER_MS);
    });
    this.#stop = () => {
      clearTimeout(timer);
      keeping();
    };
  }

  /** Of a plugin in the list, that are loaded. */
  of(plugin: string): readonly Loaded[] {
    return this.loaded.value.filter((one) => one.plugin === plugin);
  }

  /** Add a plugin by an address, an ImJoy URI or its source; false: it failed, and the user was told. */
  async load(source: string): Promise<boolean> {
    try {
      const loaded = await this.#remote().load(source);
      this.#parts.notices.add({ severity: "info", text: `“${loaded.name}” is loaded.` });
      return true;
    } catch (error) {
      this.#fail("The plugin could not be loaded", error);
      return false;
    }
  }

  /** Fetch a plugin of the list anew from where it came. */
  async update({ id, name, origin }: Plugin): Promise<void> {
    if (this.#updating.peek().has(id)) return;
    this.#updating.value = new Set([...this.#updating.peek(), id]);
    try {
      const isNewer = await this.#remote().update(id);
      const text = isNewer
        ? `“${name}” was updated.`
        : `“${name}” is up to date: there is nothing newer at ${origin}.`;
      this.#parts.notices.add({ severity: "info", text });
    } catch (error) {
      this.#fail(`“${name}” could not be updated, and stays as it was`, error);
    } finally {
      this.#updating.value = new Set([...this.#updating.peek()].filter((one) => one !== id));
    }
  }

  /** The plugins of a repository; null: they cannot be had, and the user was told. */
  async repository(name: string): Promise<readonly Offered[] | null> {
    try {
      return await this.#remote().repository(name);
    } catch (error) {
      this.#fail(`The plugins of “${name}” cannot be listed`, error);
      return null;
    }
  }

  /** Do what a link to ImJoy's app asks for. */
  async openLink(address: string): Promise<void> {
    try {
      await this.#remote().open_link(address);
    } catch (error) {
      if (!(error instanceof Cancelled)) this.#fail("The link could not be followed", error);
    }
  }

  /** A folder of the host's computer; "": the user's own. */
  async listFiles(path: string): Promise<Folder> {
    return await this.#remote().list_files(path);
  }

  /** `source`: an id of the list of plugins, or what `load` takes. */
  async run(source: string, title: string, context: unknown): Promise<void> {
    const run: Rerun = { source, title, context };
    this.#stopped.delete(source);
    this.#runs.value = [...this.#runs.peek().filter((one) => one.source !== source), run];
    try {
      await this.#remote().run(source, context);
    } catch (error) {
      // Who stops a plugin, here or among the jobs, knows that it gave no result.
      if (this.#stopped.delete(source) || error instanceof Cancelled) return;
      const id = this.#loaded.peek().findLast((one) => one.plugin === source)?.id;
      this.#fail(`“${title}” failed`, error, id === undefined ? null : { id, name: title });
    }
  }

  async stop({ id, name }: About): Promise<void> {
    this.#parts.questions.forget(id);
    const found = this.#loaded.peek().find((one) => one.id === id);
    if (found?.state === "running" || found?.state === "loading") this.#stopped.add(found.plugin);
    try {
      await this.#remote().stop(id);
    } catch (error) {
      this.#fail(`“${name}” could not be stopped`, error);
    }
  }

  async reload({ id, name }: About): Promise<void> {
    try {
      await this.#remote().reload(id);
    } catch (error) {
      this.#fail(`“${name}” could not be loaded again`, error, { id, name });
    }
  }

  dispose(): void {
    this.#stop();
  }

  async *#follow(host: Host): AsyncGenerator<readonly Loaded[]> {
    const { face, windows } = this.#parts;
    const desk = await (host as unknown as Remote<DeskHost>).desk(reference(face));
    // What ran on the desk before went with its link.
    face.forgetFrames();
    windows.clear();
    this.#desk = desk;
    this.#whyNone = null;
    yield* desk.watch();
  }

  #take(loaded: readonly Loaded[], isFirst: boolean): void {
    const { activity, questions, notices, showLog } = this.#parts;
    const before = new Map(this.#loaded.peek().map((one) => [one.id, one]));
    this.#loaded.value = loaded;
    for (const { id, name, state, error } of loaded) {
      const was = before.get(id)?.state;
      before.delete(id);
      if (state === "ended" || state === "failed") activity.forget(id);
      if (state !== "failed" || was === "failed" || was === undefined) continue;
      notices.add({
        severity: "error",
        text: `“${name}” failed: ${error ?? "it does not say why."}`,
        action: { label: "Show the log", run: () => showLog({ id, name }) },
        isOfJob: true,
      });
    }
    for (const id of before.keys()) {
      activity.forget(id);
      questions.forget(id);
    }
    if (isFirst) void this.#restore();
    if (this.#hasBegun) return;
    this.#hasBegun = true;
    this.#parts.begun?.();
  }

  /** Run again what had windows before the page was loaded again, or the link was lost. */
  async #restore(): Promise<void> {
    const runs = this.#parts.memory.recall()?.runs ?? [];
    this.#isRestoring = true;
    await Promise.all(runs.map(({ source, title, context }) => this.run(source, title, context)));
    this.#isRestoring = false;
  }

  /** Of plugins that have windows. */
  #shownRuns(): readonly Rerun[] {
    const shown = this.#loaded.value.filter(({ windows }) => windows.length > 0);
    return this.#runs.value.filter(({ source }) => shown.some(({ plugin }) => plugin === source));
  }

  #remote(): Remote<DeskService> {
    if (this.#desk) return this.#desk;
    if (this.#parts.link.state.peek() === "open" && this.#whyNone !== null) {
      throw new Error(`This host runs no plugins for pages: ${this.#whyNone}`);
    }
    throw new NoHost();
  }

  #fail(what: string, error: unknown, about: About | null = null): void {
    if (error instanceof ConnectionLost) return;
    const { notices, showLog } = this.#parts;
    notices.add({
      severity: "error",
      text: `${what}: ${sentenceOf(error)}`,
      isOfJob: true,
      ...(about ? { action: { label: "Show the log", run: () => showLog(about) } } : {}),
    });
  }
}
