/** The plugins that the host has, and the operation whose form is open. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { sentenceOf } from "../errors.ts";
import type { Notices } from "../notices.ts";
import type { ChosenMemory, ChosenNames } from "./chosen_memory.ts";
import { FormDraft } from "./form_draft.ts";
import type { HostLink } from "./host_link.ts";
import type { Plugin, PluginOperation, RunRequest } from "./host_service.ts";
import type { InputId } from "./input_choices.ts";
import { readPluginFile } from "./plugin_file.ts";

export type Chosen = { readonly plugin: Plugin; readonly operation: PluginOperation };

export class PluginShelf {
  /** Null until the host has told. */
  readonly plugins = signal<readonly Plugin[] | null>(null);
  /** What is searched for in the list. */
  readonly query = signal("");
  /** Why there is no list. */
  readonly problem = signal<string | null>(null);
  readonly #chosen = signal<ChosenNames | null>(null);
  /** Null while the list is shown. */
  readonly chosen: ReadonlySignal<Chosen | null> = computed(() => {
    const [pluginId, name] = this.#chosen.value ?? [];
    const plugin = this.plugins.value?.find(({ id }) => id === pluginId);
    const operation = plugin?.operations.find((one) => one.name === name);
    return plugin && operation ? { plugin, operation } : null;
  });
  readonly #told = Promise.withResolvers<void>();
  readonly #link: HostLink;
  readonly #notices: Notices;
  readonly #memory: ChosenMemory;
  readonly #added: (plugin: Plugin) => unknown;
  readonly #drafts = new Map<string, FormDraft>();

  /** `arrived`: what to do when the host has plugins from the start; `added`: with one that came. */
  constructor(
    link: HostLink,
    notices: Notices,
    memory: ChosenMemory,
    arrived: () => void,
    added: (plugin: Plugin) => unknown = () => {},
  ) {
    this.#link = link;
    this.#notices = notices;
    this.#memory = memory;
    this.#added = added;
    link.watch(
      (host) => host.watch_plugins(),
      (plugins) => {
        // Those of napari are always there: nobody has asked for them by opening this image.
        const own = plugins.filter(({ kind }) => kind !== "napari");
        const isNews = this.plugins.peek() === null && own.length > 0;
        this.plugins.value = plugins;
        this.problem.value = null;
        this.#told.resolve();
        if (!isNews) return;
        this.#chooseAtStart(own);
        arrived();
      },
      (error) => {
        this.problem.value = sentenceOf(error);
        this.#told.resolve();
      },
    );
  }

  /** Settled when the host has told which plugins there are, or why there is no list. */
  get told(): Promise<void> {
    return this.#told.promise;
  }

  choose(plugin: Plugin, operation: PluginOperation): void {
    this.#show([plugin.id, operation.name]);
  }

  /** Open the form of an operation with this chosen for an input of it. */
  chooseWith(plugin: Plugin, operation: PluginOperation, input: string, id: InputId): void {
    this.draftOf({ plugin, operation }).choose(input, id);
    this.choose(plugin, operation);
  }

  /** Open the form of an operation with this file chosen for an input of it. */
  chooseWithFile(plugin: Plugin, operation: PluginOperation, input: string, file: File): void {
    this.draftOf({ plugin, operation }).chooseFile(input, file);
    this.choose(plugin, operation);
  }

  /** Open the form that a run was asked for by, with what it was given; false if it is gone. */
  chooseAgain(request: RunRequest): boolean {
    this.#show([request.plugin, request.operation]);
    const chosen = this.chosen.peek();
    if (chosen) this.draftOf(chosen).fill(chosen.operation.form, request.parameters);
    return chosen !== null;
  }

  showList(): void {
    this.#show(null);
  }

  /** What was chosen for an operation, kept while the page lives. */
  draftOf({ plugin, operation }: Chosen): FormDraft {
    const key = `${plugin.id}\n${operation.name}`;
    const draft = this.#drafts.get(key) ?? new FormDraft();
    this.#drafts.set(key, draft);
    return draft;
  }

  /** Hand files to the host, and say of each what came of it. */
  async add(files: readonly File[]): Promise<void> {
    for (const file of files) {
      try {
        const text = await readPluginFile(file);
        // The list that has it may come before the answer.
        const before = this.plugins.peek() ?? [];
        const plugin = await this.#link.host.add_plugin(file.name, text);
        if (plugin.error !== null) throw new Error(plugin.error);
        const done = before.some(({ id }) => id === plugin.id) ? "Replaced" : "Added";
        this.#notices.add({ severity: "info", text: `${done} the plugin “${plugin.name}”.` });
        if (files.length === 1) this.#showAdded(plugin);
        else this.showList();
        await this.#added(plugin);
      } catch (error) {
        this.#notices.add({ severity: "error", text: sentenceOf(error) });
      }
    }
  }

  /** Show a plugin as it is now. */
  replace(plugin: Plugin): void {
    const plugins = this.plugins.peek() ?? [];
    this.plugins.value = plugins.map((one) => (one.id === plugin.id ? plugin : one));
  }

  async remove(plugin: Plugin): Promise<void> {
    try {
      await this.#link.host.remove_plugin(plugin.id);
    } catch (error) {
      this.#fail(`“${plugin.name}” could not be removed`, error);
    }
  }

  #showAdded(plugin: Plugin): void {
    const [only, ...more] = plugin.operations;
    if (only && more.length === 0) this.choose(plugin, only);
    else this.showList();
  }

  /** What was open before a reload; else, with one thing to choose, nobody needs a list. */
  #chooseAtStart(plugins: readonly Plugin[]): void {
    if (this.#chosen.peek()) return;
    this.#chosen.value = this.#memory.recall();
    if (this.chosen.peek()) return;
    this.#show(null);
    const [only] = plugins;
    if (only && plugins.length === 1) this.#showAdded(only);
  }

  #show(names: ChosenNames | null): void {
    this.#chosen.value = names;
    this.#memory.keep(names);
  }

  #fail(what: string, error: unknown): void {
    this.#notices.add({ severity: "error", text: `${what}: ${sentenceOf(error)}` });
  }
}
