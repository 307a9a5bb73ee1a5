/**
 * Three more canvases around the one that is always there: slices along the other axes through the same place,
 * and the volume. Each is a view of its own on the same server; they are where it is, and it is where they are.
 */
import { computed, effect, type ReadonlySignal, signal } from "@preact/signals";
import type { Camera, ViewerHandle, VolumeView } from "../../viewer/types.ts";
import { newCanvas, probePointer, type View } from "../canvas.ts";
import type { Desk } from "../desk.ts";
import { cameraAt, placeOf } from "./place.ts";

export type MakePanel = (canvas: HTMLCanvasElement) => ViewerHandle;

/** Its place in the grid: below, to the right, and across from the one that is always there. */
export type PanelName = "below" | "beside" | "volume";

export type Panel = View & {
  readonly name: PanelName;
  readonly canvas: HTMLCanvasElement;
  readonly settled: ReadonlySignal<boolean>;
};

export class LinkedViews {
  readonly panels = signal<readonly Panel[]>([]);
  readonly isOpen: ReadonlySignal<boolean> = computed(() => this.panels.value.length > 0);
  /** The axis that the other slices show too; null: there is none, and nothing to open. */
  readonly depth: ReadonlySignal<string | null>;
  /** Whether all of them show what they will. */
  readonly settled: ReadonlySignal<boolean> = computed(() =>
    this.panels.value.every((panel) => panel.settled.value),
  );
  /** How the volume is looked at; null: there is one view only. */
  readonly volume: ReadonlySignal<VolumeView | null>;
  readonly #volume = signal<VolumeView | null>(null);
  readonly #desk: Desk;
  readonly #makePanel: MakePanel;
  #unlink: (() => void)[] = [];
  #following = false;

  constructor(desk: Desk, makePanel: MakePanel) {
    this.#desk = desk;
    this.#makePanel = makePanel;
    this.volume = this.#volume;
    this.depth = computed(() => {
      const { volume, displayed } = desk.camera.value ?? {};
      if (volume) return volume.displayed.find((name) => !displayed?.includes(name)) ?? null;
      const space = desk.axes.value.find((axis) => axis.type === "space");
      return space?.name ?? null;
    });
  }

  toggle(): void {
    if (this.isOpen.peek()) this.close();
    else this.open();
  }

  /** `look`: at the volume; its place is that of the others. */
  open(look: VolumeView | null = null): void {
    const main = this.#desk.viewer;
    if (this.isOpen.peek()) return;
    if (!main.camera) {
      // It is about to choose a place, which these follow.
      const stop = main.on("camera", () => {
        stop();
        this.open(look);
      });
      this.#unlink.push(stop);
      return;
    }
    const depth = this.depth.peek();
    if (depth === null) return;
    const volumeLook = look ?? main.camera.volume ?? null;
    main.showVolume(false);
    const [row, column] = main.camera.displayed;
    const below = this.#panel("below", [depth, column], null);
    const beside = this.#panel("beside", [row, depth], null);
    const volume = this.#panel("volume", null, volumeLook);
    this.panels.value = [below, beside, volume];
    this.#unlink.push(
      this.#desk.slots.subscribe((slots) => {
        for (const { viewer } of this.panels.peek()) {
          if (viewer.slots !== slots) viewer.setSlots(slots);
        }
      }),
    );
    this.#unlink.push(main.on("camera", (camera) => this.#follow(main, camera)));
    this.#unlink.push(
      main.on("layer", ({ id, settings }) => {
        for (const { viewer } of this.panels.peek()) {
          if (viewer.scene?.layers.some((layer) => layer.id === id)) viewer.setLayer(id, settings);
        }
      }),
      effect(() => {
        const frozen = this.#desk.frozen.value;
        for (const { viewer } of this.panels.peek()) viewer.freeze(frozen);
      }),
    );
  }

  close(): void {
    for (const stop of this.#unlink.splice(0)) stop();
    const panels = this.panels.peek();
    this.panels.value = [];
    this.#volume.value = null;
    for (const { viewer } of panels) {
      viewer.dispose();
      this.#desk.showProbe(null, viewer);
    }
  }

  /** `displayed` null: the volume. */
  #panel(name: PanelName, displayed: Camera["displayed"] | null, look: VolumeView | null): Panel {
    const canvas = newCanvas(displayed ? `Slice along ${displayed.join(" and ")}` : "Volume");
    const viewer = this.#makePanel(canvas);
    const where = signal<Camera | null>(null);
    const settled = signal(false);
    let isPlaced = false;
    this.#unlink.push(
      viewer.on("scene", ({ layers }) => {
        for (const { id } of layers) viewer.setLayer(id, this.#desk.viewer.layer(id));
      }),
      viewer.on("camera", (camera) => {
        where.value = camera;
        if (!displayed && isPlaced) this.#volume.value = camera.volume ?? null;
        if (isPlaced) {
          this.#follow(viewer, camera);
          return;
        }
        // It has chosen a place of its own first, where nobody follows it.
        isPlaced = true;
        this.#following = true;
        if (displayed) viewer.setCamera({ displayed });
        else viewer.showVolume(true);
        if (look) viewer.setCamera({ volume: look });
        this.#following = false;
        const main = this.#desk.viewer;
        if (main.camera) this.#follow(main, main.camera);
      }),
      viewer.on("stats", (stats) => {
        settled.value = stats.settled;
      }),
      viewer.on("probe", (probe) => this.#desk.showProbe(probe, viewer)),
    );
    probePointer(canvas, viewer);
    return { name, canvas, viewer, camera: where, settled };
  }

  /** Be, with all others, where one of them has gone. */
  #follow(leader: ViewerHandle, camera: Camera): void {
    if (this.#following) return;
    this.#following = true;
    try {
      const place = placeOf(camera);
      const panels = this.panels.peek().map((panel) => panel.viewer);
      for (const viewer of [this.#desk.viewer, ...panels]) {
        if (viewer === leader || !viewer.camera) continue;
        const change = cameraAt(viewer.camera, place);
        if (change) viewer.setCamera(change);
      }
    } finally {
      this.#following = false;
    }
  }
}
