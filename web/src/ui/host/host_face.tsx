/** All that the app shows of the host, put together. */
import { computed, signal } from "@preact/signals";
import type { Layer } from "../../viewer/types.ts";
import type { Commands } from "../commands.ts";
import type { Desk } from "../desk.ts";
import { sentenceOf } from "../errors.ts";
import type { ImjoyLink } from "../imjoy_link.ts";
import { PanelWidth } from "../panel_edge.tsx";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import { ChosenMemory } from "./chosen_memory.ts";
import { DropTarget } from "./drop_target.tsx";
import { DroppedFiles, type ShowFile } from "./dropped_files.ts";
import { type Dial, HostLink } from "./host_link.ts";
import type { HostParts } from "./host_parts.ts";
import type { InputId } from "./input_choices.ts";
import { JobsIndicator } from "./job_list.tsx";
import { Jobs } from "./jobs.ts";
import { LayerBin } from "./layer_bin.ts";
import { Permits } from "./permits.ts";
import { PluginDock } from "./plugin_dock.tsx";
import { PluginShelf } from "./plugin_shelf.ts";
import { sendToNapari } from "./send_to_napari.ts";

const NARROWEST = 264;

export class HostFace implements HostParts {
  readonly #desk: Desk;
  readonly #commands: Commands;
  readonly #link: HostLink;
  readonly #shelf: PluginShelf;
  readonly #permits: Permits;
  readonly #jobs: Jobs;
  readonly #bin: LayerBin;
  /** Null until it was loaded. */
  readonly #plugins = signal<PluginsParts | null>(null);
  #isDisposed = false;
  readonly #width = new PanelWidth(innerWidth < 1200 ? 300 : 340, NARROWEST);

  readonly #dropped: DroppedFiles;
  /** By the page's address. */
  readonly #asked: ImjoyLink | null;

  constructor(
    desk: Desk,
    commands: Commands,
    dial: Dial,
    showFile: ShowFile,
    asked: ImjoyLink | null,
  ) {
    this.#asked = asked;
    this.#desk = desk;
    this.#commands = commands;
    this.#link = new HostLink(
      dial,
      computed(() => desk.connection.value === "open"),
    );
    this.#permits = new Permits(this.#link, desk.notices, (plugin) => this.#shelf.replace(plugin));
    this.#shelf = new PluginShelf(
      this.#link,
      desk.notices,
      new ChosenMemory(() => sessionStorage),
      this.#open,
      (plugin) => this.#permits.askFor(plugin),
    );
    this.#jobs = new Jobs(this.#link, desk.notices, this.#open, (job) =>
      desk.record({
        undo: () => void this.#jobs.setUndone(job, true),
        redo: () => void this.#jobs.setUndone(job, false),
      }),
    );
    this.#bin = new LayerBin(desk, this.#link);
    this.#dropped = new DroppedFiles(commands, this.#shelf, desk.notices, showFile);
    void this.#begin();
  }

  readonly Dock = () => (
    <PluginDock
      desk={this.#desk}
      link={this.#link}
      shelf={this.#shelf}
      permits={this.#permits}
      jobs={this.#jobs}
      bin={this.#bin}
      plugins={this.#plugins.value}
      width={this.#width}
      onClose={this.#close}
      onRunWith={this.#runWith}
    />
  );

  readonly JobsIndicator = () => <JobsIndicator jobs={this.#jobs} onOpen={this.#open} />;

  readonly DropTarget = () => <DropTarget onFiles={this.#add} />;

  readonly Windows = () => {
    const plugins = this.#plugins.value;
    return plugins && <plugins.Windows />;
  };

  readonly Dialogs = () => {
    const plugins = this.#plugins.value;
    return plugins && <plugins.Dialogs />;
  };

  readonly Activity = () => {
    const plugins = this.#plugins.value;
    return plugins && <plugins.Activity />;
  };

  readonly imageInset = computed(() => this.#plugins.value?.imageInset.value ?? null);

  readonly removeLayer = computed(() => (this.#link.state.value === "open" ? this.#remove : null));

  readonly sendToNapari = computed(() => (this.#link.state.value === "open" ? this.#send : null));

  readonly runWith = computed(() =>
    this.#link.state.value === "open" && this.#plugins.value
      ? ({ id }: Layer) => this.#runWith(id)
      : null,
  );

  dispose(): void {
    this.#isDisposed = true;
    this.#plugins.peek()?.dispose();
    this.#link.dispose();
  }

  /** What runs plugins hears of the link from its start. */
  async #begin(): Promise<void> {
    try {
      const { PluginsFace } = await import("../plugins/plugins_face.tsx");
      if (this.#isDisposed) return;
      const { tables } = this.#jobs;
      const show = (file: File) => void this.#dropped.show(file);
      const parts = new PluginsFace(
        this.#desk,
        this.#commands,
        this.#link,
        this.#shelf,
        tables,
        show,
        this.#asked,
      );
      this.#plugins.value = parts;
    } catch (error) {
      const text = `Windows of plugins cannot be shown: ${sentenceOf(error)}`;
      this.#desk.notices.add({ severity: "error", text });
    }
    await this.#link.keepOpen();
  }

  readonly #add = (files: readonly File[]) => void this.#dropped.take(files);

  readonly #remove = (layer: Layer) => void this.#bin.remove(layer);

  readonly #send = (layer: Layer) => void sendToNapari(this.#link, this.#desk.notices, layer);

  readonly #runWith = (id: InputId) => {
    this.#commands.runWith.value = id;
  };

  readonly #open = () => {
    this.#commands.pluginsOpen.value = true;
  };

  readonly #close = () => {
    this.#commands.pluginsOpen.value = false;
  };
}
