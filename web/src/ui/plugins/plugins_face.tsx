/** All that the app shows of plugins that run, put together. */
import "../styles/dialogs.css";
import "../styles/running_plugins.css";
import "../styles/windows.css";
import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { render } from "preact";
import type { Commands } from "../commands.ts";
import type { Desk } from "../desk.ts";
import { checkForm } from "../host/form_values.ts";
import type { HostLink } from "../host/host_link.ts";
import type { Plugin } from "../host/host_service.ts";
import type { InputChoice } from "../host/input_choices.ts";
import type { PluginShelf } from "../host/plugin_shelf.ts";
import type { ImjoyLink } from "../imjoy_link.ts";
import { Activity } from "./activity.ts";
import { ActivityLine } from "./activity_line.tsx";
import { Folders } from "./dialogs/folders.ts";
import { QuestionDialog } from "./dialogs/question_dialog.tsx";
import { Questions } from "./dialogs/questions.ts";
import { WindowDialogs } from "./dialogs/window_dialogs.tsx";
import { Editors } from "./editor/editors.tsx";
import { Face } from "./face.ts";
import { LogView } from "./log/log_view.tsx";
import { PluginLogs } from "./log/plugin_logs.ts";
import { Palettes } from "./palette/palettes.tsx";
import { type Offers, RepositoryPalette } from "./palette/repository_palette.tsx";
import { PluginDesk } from "./plugin_desk.ts";
import type { PluginsParts } from "./plugins_parts.ts";
import type { About, StartFrame } from "./service.ts";
import { WindowMemory } from "./windows/memory.ts";
import { PluginWindows } from "./windows/plugin_windows.ts";
import { insetOf, WindowArea } from "./windows/window_area.tsx";

const loadFrames = async (): Promise<StartFrame> =>
  (await import("../../workers/frame.ts")).startFrame;

const PHONE = 700;

export class PluginsFace implements PluginsParts {
  readonly #commands: Commands;
  readonly #shelf: PluginShelf;
  /** What is on the canvas. */
  readonly #viewed: Desk;
  readonly #tables: ReadonlySignal<readonly InputChoice[]>;
  readonly #showFile: (file: File) => void;
  readonly #questions = new Questions();
  readonly #offers = signal<Offers | null>(null);
  readonly #folders = new Folders((path) => this.#desk.listFiles(path));
  readonly #activity = new Activity();
  readonly #logs = new PluginLogs();
  readonly #windows: PluginWindows;
  readonly #hidden: HTMLElement;
  readonly #desk: PluginDesk;
  readonly #makeRoom: () => void;
  #openBefore = 0;
  readonly #editors: Editors;
  readonly #logWindows = new Map<string, string>();

  constructor(
    desk: Desk,
    commands: Commands,
    link: HostLink,
    shelf: PluginShelf,
    /** That jobs gave. */
    tables: ReadonlySignal<readonly InputChoice[]>,
    /** Makes a layer of a file. */
    showFile: (file: File) => void,
    /** What the page's address asks for. */
    asked: ImjoyLink | null,
  ) {
    this.#showFile = showFile;
    this.#viewed = desk;
    this.#tables = tables;
    this.#commands = commands;
    this.#shelf = shelf;
    const memory = new WindowMemory(() => sessionStorage);
    this.#windows = new PluginWindows(memory.recall()?.layout ?? null);
    this.#editors = new Editors(link, this.#windows, desk.notices, {
      runAnew: async ({ id, name, operations }) => {
        await Promise.all(this.#desk.of(id).map((one) => this.stop(one)));
        const form = operations[0]?.form;
        const config = form ? checkForm(form, new Map()).values : {};
        await this.run(id, name, { config });
      },
      openForm: (plugin) => {
        const [operation] = plugin.operations;
        commands.pluginsOpen.value = true;
        if (operation) shelf.choose(plugin, operation);
      },
    });
    this.#makeRoom = effect(() => this.#leaveRoom(this.#windows.open.value.length));
    this.#hidden = document.createElement("div");
    this.#hidden.className = "hidden-frames";
    this.#hidden.inert = true;
    document.body.append(this.#hidden);
    const { notices } = desk;
    const shared = { notices, windows: this.#windows, questions: this.#questions };
    const face = new Face({
      ...shared,
      logs: this.#logs,
      activity: this.#activity,
      hidden: this.#hidden,
      loadFrames,
      showLog: this.showLog,
    });
    this.#desk = new PluginDesk({
      ...shared,
      link,
      face,
      activity: this.#activity,
      memory,
      showLog: this.showLog,
      begun: () => void this.#follow(asked),
    });
  }

  readonly Windows = () => <WindowArea windows={this.#windows} />;

  readonly Dialogs = () => (
    <>
      <WindowDialogs windows={this.#windows} />
      <QuestionDialog questions={this.#questions} folders={this.#folders} onStop={this.#stopById} />
      <Palettes
        desk={this.#viewed}
        commands={this.#commands}
        shelf={this.#shelf}
        plugins={this}
        tables={this.#tables}
        onShow={this.#showFile}
      />
      <RepositoryPalette offers={this.#offers} plugins={this} />
    </>
  );

  readonly Activity = () => (
    <ActivityLine
      activity={this.#activity}
      loaded={this.loaded.value}
      errors={this.errors.value}
      onStop={(about) => void this.stop(about)}
      onLog={this.showLog}
    />
  );

  readonly imageInset = computed(() => insetOf(this.#windows));

  get loaded() {
    return this.#desk.loaded;
  }

  get errors(): ReadonlySignal<ReadonlyMap<string, number>> {
    return this.#logs.errors;
  }

  get updating(): ReadonlySignal<ReadonlySet<string>> {
    return this.#desk.updating;
  }

  update(plugin: Plugin): Promise<void> {
    return this.#desk.update(plugin);
  }

  load(source: string): Promise<boolean> {
    return this.#desk.load(source);
  }

  /** Offer the plugins of a repository; false: it has none that can be had, and the user was told. */
  async browse(repository: string): Promise<boolean> {
    const plugins = await this.#desk.repository(repository);
    if (plugins) this.#offers.value = { repository, plugins };
    return plugins !== null;
  }

  run(source: string, title: string, context: unknown): Promise<void> {
    return this.#desk.run(source, title, context);
  }

  stop(about: About): Promise<void> {
    return this.#desk.stop(about);
  }

  reload(about: About): Promise<void> {
    return this.#desk.reload(about);
  }

  readonly showLog = ({ id, name }: About): void => {
    this.#logs.seen(id);
    const open = this.#logWindows.get(id);
    if (open !== undefined && this.#windows.find(open)) {
      this.#windows.show(open);
      return;
    }
    const title = `Log of ${name}`;
    const spec = {
      name: title,
      title,
      w: 16,
      h: 8,
      fullscreen: false,
      isDialog: false,
      isTool: true,
    };
    const window = this.#windows.add(spec, {
      closed: async () => this.#logWindows.delete(id),
      focused: () => this.#logs.seen(id),
    });
    this.#logWindows.set(id, window.key);
    render(
      <LogView name={name} lines={this.#logs.of(id)} onClear={() => this.#logs.clear(id)} />,
      window.element,
    );
  };

  readonly write = (): void => this.#editors.write();

  edit(plugin: Plugin): Promise<void> {
    return this.#editors.edit(plugin);
  }

  dispose(): void {
    this.#editors.dispose();
    this.#makeRoom();
    this.#desk.dispose();
    this.#windows.dispose();
    this.#hidden.remove();
  }

  /** Do what the page's address asks for. */
  async #follow(asked: ImjoyLink | null): Promise<void> {
    if (!asked) return;
    if (asked.words !== "") {
      this.#shelf.query.value = asked.words;
      this.#shelf.showList();
      this.#commands.pluginsOpen.value = true;
    }
    await this.#desk.openLink(asked.address);
    if (asked.repository !== "") await this.browse(asked.repository);
  }

  /** On a phone, panels lie over a window that has just come. */
  #leaveRoom(open: number): void {
    if (open > this.#openBefore && innerWidth < PHONE) {
      this.#commands.panelOpen.value = false;
      this.#commands.pluginsOpen.value = false;
    }
    this.#openBefore = open;
  }

  readonly #stopById = (id: string) => {
    const found = this.loaded.peek().find((one) => one.id === id);
    this.#questions.forget(id);
    if (found) void this.stop(found);
  };
}
