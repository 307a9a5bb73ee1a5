/** What the app shows of plugins that run: loaded after the canvas. Types only. */
import type { ReadonlySignal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { Plugin } from "../host/host_service.ts";
import type { About, Loaded } from "./service.ts";

export interface PluginsParts {
  /** Windows, in the cell of the canvas. */
  readonly Windows: ComponentType;
  /** What plugins ask, and the command palette: over all of the page. */
  readonly Dialogs: ComponentType;
  /** What plugins do, on the status bar. */
  readonly Activity: ComponentType;
  /** How far the canvas lies from the sides of its cell, as CSS; "hidden" behind others; null: it fills it. */
  readonly imageInset: ReadonlySignal<string | null>;
  /** Plugins that have not ended. */
  readonly loaded: ReadonlySignal<readonly Loaded[]>;
  /** By plugins on the desk: errors that nobody has looked at. */
  readonly errors: ReadonlySignal<ReadonlyMap<string, number>>;
  /** Ids of plugins that are being fetched anew. */
  readonly updating: ReadonlySignal<ReadonlySet<string>>;
  load(source: string): Promise<boolean>;
  /** Offers the plugins of a repository. */
  browse(repository: string): Promise<boolean>;
  /** Fetches a plugin anew from where it came. */
  update(plugin: Plugin): Promise<void>;
  /** Opens the editor of a plugin whose file the host keeps. */
  edit(plugin: Plugin): Promise<void>;
  run(source: string, title: string, context: unknown): Promise<void>;
  stop(about: About): Promise<void>;
  reload(about: About): Promise<void>;
  showLog(about: About): void;
  /** Opens the editor of a new plugin. */
  write(): void;
  dispose(): void;
}
