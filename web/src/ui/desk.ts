/**
 * What the app knows: the viewer's events as signals, and what the user has chosen around it.
 *
 * Components read signals and call methods of this; only this (and playback) calls the viewer.
 */
import { batch, computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import { chooseDisplayed } from "../viewer/camera.ts";
import type {
  Camera,
  ConnectionState,
  Failure,
  Layer,
  LayerSettings,
  Probe,
  Scene,
  ViewerHandle,
  ViewerStats,
  VolumeView,
} from "../viewer/types.ts";
import { type Change, type Deed, type Edit, History, isChange } from "./history.ts";
import type { Notices } from "./notices.ts";
import { OverlaySwitches } from "./overlays/switches.ts";
import type { Server } from "./server.ts";
import { indexOf, positionOf, type SliderAxis, sliceable, sliderAxes } from "./slider_axes.ts";

export type Colormaps = Readonly<Record<string, Uint8Array>>;

const MOST_FAILURES = 20;
const MOST_RECENT = 50;

export class Desk {
  readonly viewer: ViewerHandle;
  readonly server: Server;
  readonly colormaps: Colormaps;
  readonly notices: Notices;
  readonly overlays = new OverlaySwitches();

  readonly scene = signal<Scene | null>(null);
  readonly camera = signal<Camera | null>(null);
  readonly stats = signal<ViewerStats | null>(null);
  readonly probe = signal<Probe | null>(null);
  /** Over whose canvas that is: there can be four. */
  readonly probed = signal<ViewerHandle | null>(null);
  /** What each viewer has said last, the latest last. */
  readonly #probes = new Map<ViewerHandle, Probe>();
  readonly connection = signal<ConnectionState>("connecting");
  readonly settings = signal<ReadonlyMap<number, LayerSettings>>(new Map());
  /** The latest failures, each reason once. */
  readonly failures = signal<readonly Failure[]>([]);
  readonly selected = signal<number | null>(null);
  /** Layers that are or were selected, the latest first; some may have gone. */
  readonly recentlySelected = signal<readonly number[]>([]);
  /** Bytes that each canvas may hold. */
  readonly slots = signal(0);
  /** Whether nothing more is loaded for where one looks. */
  readonly frozen = signal(false);
  /** The slider that the slice keys move. */
  readonly activeAxis = signal<string | null>(null);

  /** Top layer first, as the list shows them. */
  readonly layers: ReadonlySignal<readonly Layer[]> = computed(() =>
    (this.scene.value?.layers ?? []).toReversed(),
  );
  /** There is nothing to see yet, but something is on its way. */
  readonly opening: ReadonlySignal<boolean> = computed(() => {
    const scene = this.scene.value;
    return !scene || (scene.layers.length === 0 && scene.opening > 0);
  });
  readonly selectedLayer: ReadonlySignal<Layer | null> = computed(
    () => this.layers.value.find((layer) => layer.id === this.selected.value) ?? null,
  );
  readonly #displayed = computed(() => {
    const camera = this.camera.value;
    return (camera?.volume?.displayed ?? camera?.displayed ?? []).join("\n");
  });
  /** The axes that are displayed. */
  readonly displayed: ReadonlySignal<readonly string[]> = computed(() =>
    this.#displayed.value.split("\n"),
  );
  readonly axes: ReadonlySignal<readonly SliderAxis[]> = computed(() => {
    const displayed = this.#displayed.value.split("\n");
    if (displayed.length < 2) return [];
    return sliderAxes(this.scene.value?.layers ?? [], displayed);
  });

  readonly #history = new History();
  #beforeSolo: Edit | null = null;
  readonly #unsubscribe: (() => void)[];

  constructor(viewer: ViewerHandle, server: Server, colormaps: Colormaps, notices: Notices) {
    this.viewer = viewer;
    this.slots.value = viewer.slots;
    this.server = server;
    this.colormaps = colormaps;
    this.notices = notices;
    this.#unsubscribe = [
      viewer.on("scene", (scene) => this.#showScene(scene)),
      viewer.on("camera", (camera) => {
        this.camera.value = camera;
      }),
      viewer.on("layer", ({ id, settings }) => this.#keepSettings([[id, settings]])),
      viewer.on("stats", (stats) => this.#keepStats(stats)),
      viewer.on("probe", (probe) => this.showProbe(probe, viewer)),
      viewer.on("failure", (failure) => this.#keepFailure(failure)),
      viewer.on("notice", (notice) => this.notices.add(notice)),
      viewer.on("connection", (connection) => {
        this.connection.value = connection;
      }),
      effect(() => {
        const id = this.selected.value;
        if (id === null) return;
        const others = this.recentlySelected.peek().filter((other) => other !== id);
        this.recentlySelected.value = [id, ...others].slice(0, MOST_RECENT);
      }),
    ];
    this.camera.value = viewer.camera;
    if (viewer.scene) this.#showScene(viewer.scene);
  }

  settingsOf(layer: Layer): LayerSettings {
    return this.settings.value.get(layer.id) ?? layer.defaults;
  }

  /** Change settings of one layer, so that it can be undone. */
  changeLayer(id: number, settings: Partial<LayerSettings>): void {
    if (settings.visible !== undefined) this.#beforeSolo = null;
    this.#change(new Map([[id, settings]]));
  }

  resetLayer(id: number, keys: readonly (keyof LayerSettings)[]): void {
    const defaults = this.layers.value.find((layer) => layer.id === id)?.defaults;
    if (defaults) this.changeLayer(id, Object.fromEntries(keys.map((key) => [key, defaults[key]])));
  }

  toggleLayer(id: number): void {
    this.changeLayer(id, { visible: !this.viewer.layer(id).visible });
  }

  /** Show the label under the pointer alone; where one is alone already, show all again. */
  showOnlyPointed(): void {
    const alone = this.layers.peek().filter((layer) => this.viewer.layer(layer.id).only);
    const pointed = this.#pointedLabel();
    if (alone.length > 0) {
      this.#change(new Map(alone.map((layer) => [layer.id, { only: "" }])));
    } else if (pointed) this.changeLayer(pointed.layer, { only: pointed.id });
  }

  hidePointed(): void {
    const pointed = this.#pointedLabel();
    if (!pointed) return;
    const { hidden = [] } = this.viewer.layer(pointed.layer);
    if (!hidden.includes(pointed.id)) {
      this.changeLayer(pointed.layer, { hidden: [...hidden, pointed.id] });
    }
  }

  /** The label under the pointer: of the selected layer, else of the top one that has one there. */
  #pointedLabel(): { readonly layer: number; readonly id: string } | null {
    const values = this.probe.peek()?.values ?? [];
    const labels = this.layers.peek().filter((layer) => layer.kind === "labels");
    const selected = labels.filter((layer) => layer.id === this.selected.peek());
    for (const layer of [...selected, ...labels]) {
      const id = values.find((value) => value.layer === layer.id)?.value;
      if (id && id !== "0") return { layer: layer.id, id };
    }
    return null;
  }

  /** Show this layer only; a second time, show again what was shown before. */
  soloLayer(id: number): void {
    const layers = this.layers.value;
    const shown = layers.filter((layer) => this.viewer.layer(layer.id).visible);
    if (this.#beforeSolo && shown.length === 1 && shown[0]?.id === id) {
      const before = this.#beforeSolo;
      this.#beforeSolo = null;
      this.#change(before);
      return;
    }
    this.#beforeSolo = new Map(
      layers.map((layer) => [layer.id, { visible: this.viewer.layer(layer.id).visible }]),
    );
    this.#change(new Map(layers.map((layer) => [layer.id, { visible: layer.id === id }])));
  }

  /** Something that was done elsewhere, and can be undone from here. */
  record(deed: Deed): void {
    this.#history.record(deed, performance.now());
  }

  undo(): void {
    const step = this.#history.undo();
    if (!step) return;
    if (isChange(step)) this.#apply(step.before);
    else step.undo();
  }

  redo(): void {
    const step = this.#history.redo();
    if (!step) return;
    if (isChange(step)) this.#apply(step.after);
    else step.redo();
  }

  selectLayer(id: number): void {
    this.selected.value = id;
  }

  /** Position along a slider's axis as an index. */
  sliceIndex(axis: SliderAxis): number {
    return indexOf(axis, this.camera.value?.position[axis.name] ?? axis.low);
  }

  /** Where only points lie along the axis, of all of them this becomes a slice. */
  showSlice(axis: SliderAxis, index: number): void {
    if (axis.isOfPoints && this.showsAllPoints(axis)) this.showAllPoints(axis, false);
    this.viewer.setCamera({ position: { [axis.name]: positionOf(axis, index) } });
  }

  /** Layers of points of which a slice can be shown along a slider's axis. */
  pointsAlong({ name }: SliderAxis): readonly Layer[] {
    return this.layers.value.filter((layer) => sliceable(layer, []).includes(name));
  }

  /** Whether of such layers, if there are some, all points are shown. */
  showsAllPoints(axis: SliderAxis): boolean {
    const layers = this.pointsAlong(axis);
    const isSliced = (layer: Layer) => this.settingsOf(layer).thickness?.[axis.name] !== undefined;
    return layers.length > 0 && !layers.some(isSliced);
  }

  /** Show all points, or those of a slice that is one step of the slider thick. */
  showAllPoints(axis: SliderAxis, all: boolean): void {
    const edit = this.pointsAlong(axis).map((layer) => {
      const { [axis.name]: _, ...others } = this.settingsOf(layer).thickness ?? {};
      const step = Number(axis.step.toPrecision(3));
      return [layer.id, { thickness: all ? others : { ...others, [axis.name]: step } }] as const;
    });
    this.#change(new Map(edit));
  }

  /** Look at the volume in another way, if it is one that is looked at. */
  changeVolume(part: Partial<VolumeView>): void {
    const volume = this.viewer.camera?.volume;
    if (volume) this.viewer.setCamera({ volume: { ...volume, ...part } });
  }

  /** Move the slider that was used last (or the first). */
  stepSlice(steps: number): void {
    const axis = this.#active();
    if (axis) this.showSlice(axis, this.sliceIndex(axis) + steps);
  }

  setSlots(bytes: number): void {
    this.slots.value = bytes;
    this.viewer.setSlots(bytes);
  }

  /**
   * What lies under the pointer, over the canvas of this viewer; null: it is not over it.
   * Viewers tell of it each in its own time: that it has left one may be heard after that it is over the next.
   */
  showProbe(probe: Probe | null, viewer: ViewerHandle): void {
    this.#probes.delete(viewer);
    if (probe) this.#probes.set(viewer, probe);
    const [over, found] = [...this.#probes].at(-1) ?? [null, null];
    batch(() => {
      this.probe.value = found;
      this.probed.value = over;
    });
  }

  /** Show a slice along other axes: of z, y and x first y and x, then z and x, then y and z. */
  turn(): void {
    const displayed = this.camera.peek()?.displayed;
    if (!displayed) return;
    const [row, column] = chooseDisplayed(this.layers.peek());
    const aside = this.#active()?.name;
    if (displayed[0] !== row && displayed[1] === column) {
      this.viewer.setCamera({ displayed: [row, displayed[0]] });
    } else if (displayed[1] !== column) this.viewer.setCamera({ displayed: [row, column] });
    else if (aside) this.viewer.setCamera({ displayed: [aside, column] });
  }

  get activeSlider(): SliderAxis | null {
    return this.#active();
  }

  dispose(): void {
    for (const unsubscribe of this.#unsubscribe) unsubscribe();
  }

  #active(): SliderAxis | null {
    const axes = this.axes.value;
    return axes.find((axis) => axis.name === this.activeAxis.value) ?? axes[0] ?? null;
  }

  #change(after: Edit): void {
    const before = new Map(
      [...after].map(([id, settings]) => {
        const now = this.viewer.layer(id);
        const keys = Object.keys(settings) as (keyof LayerSettings)[];
        return [id, Object.fromEntries(keys.map((key) => [key, now[key]]))] as const;
      }),
    );
    const change: Change = { before, after };
    this.#history.record(change, performance.now());
    this.#apply(after);
  }

  #apply(edit: Edit): void {
    for (const [id, settings] of edit) {
      // A layer may have gone since this was recorded.
      if (!this.layers.value.some((layer) => layer.id === id)) continue;
      this.viewer.setLayer(id, settings);
      this.#keepSettings([[id, this.viewer.layer(id)]]);
    }
  }

  #showScene(scene: Scene): void {
    batch(() => {
      this.scene.value = scene;
      this.camera.value = this.viewer.camera;
      this.#keepSettings(scene.layers.map((layer) => [layer.id, this.viewer.layer(layer.id)]));
      if (!scene.layers.some((layer) => layer.id === this.selected.value)) {
        this.selected.value = firstSelected(scene.layers);
      }
    });
    this.notices.addOfScene(scene.notices);
  }

  #keepSettings(entries: readonly (readonly [number, LayerSettings])[]): void {
    this.settings.value = new Map([...this.settings.peek(), ...entries]);
  }

  #keepStats(stats: ViewerStats): void {
    this.stats.value = stats;
  }

  /** Have the viewer tell what the loader asks for, until the returned function is called. */
  watchRequests(): () => void {
    this.viewer.watchRequests(true);
    return () => this.viewer.watchRequests(false);
  }

  freeze(on: boolean): void {
    this.frozen.value = on;
    this.viewer.freeze(on);
  }

  /** Try again what has failed; what fails once more says so anew. */
  retryFailed(): void {
    this.failures.value = [];
    this.viewer.retryFailed();
  }

  #keepFailure(failure: Failure): void {
    const others = this.failures
      .peek()
      .filter((other) => other.layer !== failure.layer || other.reason !== failure.reason);
    this.failures.value = [failure, ...others].slice(0, MOST_FAILURES);
  }
}

/** The top image rather than the labels over it: contrast is what one sets first. */
function firstSelected(layers: readonly Layer[]): number | null {
  const top = layers.findLast((layer) => layer.kind !== "labels") ?? layers.at(-1);
  return top?.id ?? null;
}
