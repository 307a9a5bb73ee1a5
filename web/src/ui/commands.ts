/** The commands of the app: what buttons and keys do. */
import { signal } from "@preact/signals";
import type { Desk } from "./desk.ts";
import { sentenceOf } from "./errors.ts";
import { type CommandName, commandFor, type Focus, keepsKey } from "./keymap.ts";
import type { Playback } from "./playback.ts";
import type { LinkedViews } from "./quad/linked_views.ts";
import { datedName, saveFile } from "./save_file.ts";
import { imageTitle } from "./title.ts";
import type { ViewKeeper } from "./view_keeper.ts";
import { MODES } from "./volume_bar.tsx";

/** The same step as on the canvas itself. */
const KEY_ZOOM = Math.SQRT2;

export class Commands {
  readonly panelOpen = signal(true);
  readonly pluginsOpen = signal(false);
  readonly numbersOpen = signal(false);
  readonly helpOpen = signal(false);
  readonly paletteOpen = signal(false);
  /** The layer, the address of the table, or the file that something is sought for to run with. */
  readonly runWith = signal<number | string | File | null>(null);
  readonly fullScreen = signal(false);

  readonly #desk: Desk;
  readonly #playback: Playback;
  readonly #keeper: ViewKeeper;
  readonly #views: LinkedViews;
  readonly #cleanup: (() => void)[] = [];

  constructor(desk: Desk, playback: Playback, keeper: ViewKeeper, views: LinkedViews) {
    this.#desk = desk;
    this.#playback = playback;
    this.#keeper = keeper;
    this.#views = views;
  }

  listen(): void {
    const press = (event: KeyboardEvent) => this.#press(event);
    const screen = () => {
      this.fullScreen.value = document.fullscreenElement !== null;
    };
    addEventListener("keydown", press);
    document.addEventListener("fullscreenchange", screen);
    this.#cleanup.push(
      () => removeEventListener("keydown", press),
      () => document.removeEventListener("fullscreenchange", screen),
    );
  }

  dispose(): void {
    for (const clean of this.#cleanup) clean();
  }

  run(command: CommandName): void {
    this.#actions[command]();
  }

  readonly #actions: { readonly [K in CommandName]: () => void } = {
    fit: () => this.#desk.viewer.fit(),
    zoomIn: () => this.#desk.viewer.zoomBy(KEY_ZOOM),
    zoomOut: () => this.#desk.viewer.zoomBy(1 / KEY_ZOOM),
    previousSlice: () => this.#stepSlice(-1),
    nextSlice: () => this.#stepSlice(1),
    play: () => {
      const axis = this.#desk.activeSlider;
      if (axis) this.#playback.toggle(axis);
    },
    toggleQuad: () => this.#views.toggle(),
    toggleVolume: () => this.#toggleVolume(),
    nextMode: () => {
      const mode = this.#desk.camera.peek()?.volume?.mode;
      const next = MODES.findIndex((one) => one.mode === mode) + 1;
      if (mode) this.#desk.changeVolume({ mode: MODES[next % MODES.length]?.mode ?? mode });
    },
    turn: () => this.#desk.turn(),
    toggleLayer: () => {
      const id = this.#desk.selected.peek();
      if (id !== null) this.#desk.toggleLayer(id);
    },
    onlyLabel: () => this.#desk.showOnlyPointed(),
    hideLabel: () => this.#desk.hidePointed(),
    undo: () => this.#desk.undo(),
    redo: () => this.#desk.redo(),
    togglePanel: () => toggle(this.panelOpen),
    togglePlugins: () => toggle(this.pluginsOpen),
    palette: () => toggle(this.paletteOpen),
    runWith: () => {
      this.runWith.value = this.#desk.selected.peek();
    },
    toggleNumbers: () => toggle(this.numbersOpen),
    toggleBricks: () => this.#desk.overlays.toggle("bricks"),
    freeze: () => this.#desk.freeze(!this.#desk.frozen.peek()),
    help: () => toggle(this.helpOpen),
    close: () => {
      this.helpOpen.value = false;
    },
    fullScreen: () => this.#toggleFullScreen(),
    saveScreenshot: () => this.#saveScreenshot(),
    copyLink: () => this.#copyLink(),
  };

  #press(event: KeyboardEvent): void {
    // The canvas handles its own keys first, an open dialog keeps all but the ones that close it.
    if (event.defaultPrevented) return;
    const command = commandFor(event);
    if (command === null || keepsKey(focusOf(event.target), event)) return;
    if (document.querySelector("dialog[open]:not(.help)")) return;
    if (this.helpOpen.peek() && command !== "help" && command !== "close") return;
    if (command === "close" && !this.helpOpen.peek()) return;
    event.preventDefault();
    this.run(command);
  }

  #stepSlice(steps: number): void {
    this.#playback.stop();
    this.#desk.stepSlice(steps);
  }

  #toggleVolume(): void {
    const { viewer } = this.#desk;
    if (viewer.camera?.volume) viewer.showVolume(false);
    else if (viewer.volumeAxes) viewer.showVolume(true);
    else
      this.#warn("There is nothing to see in 3D: no layer that is shown has three axes in space.");
  }

  #toggleFullScreen(): void {
    const change = document.fullscreenElement
      ? document.exitFullscreen()
      : document.documentElement.requestFullscreen();
    change.catch(() => this.#warn("This browser does not allow full screen here."));
  }

  async #saveScreenshot(): Promise<void> {
    try {
      const blob = await this.#desk.viewer.capture();
      const name = datedName(imageTitle(this.#desk.scene.peek()), "png", new Date());
      saveFile(name, blob);
      this.#desk.notices.add({ severity: "info", text: `Saved ${name}.` });
    } catch (error) {
      this.#desk.notices.add({
        severity: "error",
        text: `The screenshot could not be saved: ${sentenceOf(error)}`,
      });
    }
  }

  async #copyLink(): Promise<void> {
    const link = this.#keeper.link;
    try {
      await navigator.clipboard.writeText(link);
      this.#desk.notices.add({ severity: "info", text: "The link to this view was copied." });
    } catch {
      this.#keeper.flush();
      this.#warn("This browser does not allow copying. The link is this page's address.");
    }
  }

  #warn(text: string): void {
    this.#desk.notices.add({ severity: "warning", text });
  }
}

function toggle(open: { value: boolean }): void {
  open.value = !open.value;
}

function focusOf(target: EventTarget | null): Focus {
  if (!(target instanceof HTMLElement)) return "other";
  if (target instanceof HTMLInputElement) {
    if (target.type === "range") return "slider";
    return ["checkbox", "radio"].includes(target.type) ? "button" : "text";
  }
  if (target instanceof HTMLTextAreaElement || target.isContentEditable) return "text";
  if (target instanceof HTMLSelectElement) return "text";
  if (target.getAttribute("role") === "separator") return "slider";
  return target instanceof HTMLButtonElement ? "button" : "other";
}
