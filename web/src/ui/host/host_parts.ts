/** What the app shows of the host: loaded after the canvas, so that nobody waits for it. Types only. */
import type { ReadonlySignal } from "@preact/signals";
import type { ComponentType } from "preact";
import type { Layer } from "../../viewer/types.ts";
import type { Commands } from "../commands.ts";
import type { Desk } from "../desk.ts";
import type { ImjoyLink } from "../imjoy_link.ts";

export interface HostParts {
  /** The panel of plugins and jobs. */
  readonly Dock: ComponentType;
  /** What runs, on the status bar. */
  readonly JobsIndicator: ComponentType;
  /** Over all of the window while files are dragged over it. */
  readonly DropTarget: ComponentType;
  /** Windows of plugins, in the cell of the canvas. */
  readonly Windows: ComponentType;
  /** What plugins ask, and the command palette: over all of the page. */
  readonly Dialogs: ComponentType;
  /** What plugins do, on the status bar. */
  readonly Activity: ComponentType;
  /** How far the canvas lies from the sides of its cell, as CSS; "hidden" behind others; null: it fills it. */
  readonly imageInset: ReadonlySignal<string | null>;
  /** Takes a layer out of the scene; null while that cannot be done. */
  readonly removeLayer: ReadonlySignal<((layer: Layer) => void) | null>;
  /** Shows a layer in a running napari; null while that cannot be done. */
  readonly sendToNapari: ReadonlySignal<((layer: Layer) => void) | null>;
  /** Looks for what a layer can be run with; null while nothing can be run. */
  readonly runWith: ReadonlySignal<((layer: Layer) => void) | null>;
  dispose(): void;
}

/** `asked`: what the page's address asks for, as a link to ImJoy's app. */
export type LoadHost = (
  desk: Desk,
  commands: Commands,
  asked: ImjoyLink | null,
) => Promise<HostParts>;
