/** The volumes on the canvas: what to draw for a camera, how finely, and when it is finished. */

import type { Slice } from "./brick_key.ts";
import type { Surface } from "./gl/surface.ts";
import type { PaintedVolume } from "./gl/volume_painter.ts";
import { isWholeBase, octreeOf } from "./octree.ts";
import { Pacer } from "./pacer.ts";
import { slicesAt } from "./shown_slices.ts";
import type { Slot } from "./slots.ts";
import type { Camera, Layer, LayerSettings, Pair, VolumeView } from "./types.ts";
import { volumeSight } from "./volume_camera.ts";
import { cellList } from "./volume_cells.ts";
import { VolumeStore } from "./volume_store.ts";

export type VolumeCamera = Camera & { readonly volume: VolumeView };

export function isOfVolume(camera: Camera | null): camera is VolumeCamera {
  return camera?.volume != null;
}

export class VolumeScene {
  readonly #surface: Surface;
  readonly #store: VolumeStore;
  readonly #pacer: Pacer;
  /** The slices along other axes that layers show: those before, until there is something of the next. */
  readonly #shown = new Map<number, readonly Slice[]>();
  /** Every how many device pixels the last frame was drawn. */
  #factor = 1;

  constructor(surface: Surface, store: VolumeStore) {
    this.#surface = surface;
    this.#store = store;
    this.#pacer = new Pacer(surface.gl);
  }

  /** Whether the last frame was drawn with all of the canvas's pixels. */
  get isSharp(): boolean {
    return this.#factor === 1;
  }

  /** Whether another frame would only wait; or, if it is not urgent, whether there should be a pause. */
  isBusy(urgent: boolean): boolean {
    return urgent ? this.#pacer.isBusy : this.#pacer.isResting;
  }

  /**
   * Draw. `hurried`: soon there will be another frame, so that this one may have fewer pixels.
   * True: aprons are left to be made better, so that another frame is due.
   */
  draw(
    camera: VolumeCamera,
    size: Pair,
    clear: readonly [number, number, number],
    layers: readonly { readonly layer: Layer; readonly settings: LayerSettings }[],
    frame: number,
    hurried: boolean,
  ): boolean {
    const painter = this.#surface.volumePainter;
    if (!painter) return false;
    const sight = volumeSight(camera.volume, size);
    const painted: PaintedVolume[] = [];
    const deadline = VolumeStore.deadline();
    let unfinished = false;
    for (const { layer, settings } of layers) {
      const slices = this.#slices(layer, camera);
      const list = cellList(layer, camera.volume, slices, sight, this.#store.slots);
      if (!list || !slices) continue;
      const drawn = new Set(list.cells.map((cell) => cell.slot));
      for (const slot of drawn) slot.drawn = frame;
      const { displayed } = camera.volume;
      if (this.#store.improve(this.#surface.gl, layer, displayed, slices, drawn, deadline)) {
        unfinished = true;
      }
      painted.push({ layer, settings, list });
    }
    this.#factor = hurried || unfinished ? this.#pacer.factor : 1;
    painter.paint(size, clear, camera.volume, sight, painted, this.#factor);
    this.#pacer.drawn(this.#factor);
    return unfinished;
  }

  /** Whether a slot holds a root that is shown. */
  isPinned(slot: Slot<unknown>, layer: Layer, camera: VolumeCamera): boolean {
    const tree = octreeOf(layer, camera.volume.displayed);
    if (!tree || slot.key.length !== 6 || slot.key[1] !== tree.base) return false;
    if (!isWholeBase(tree)) return false;
    const name = slot.key[2].join();
    const both = [this.#shown.get(layer.id), wantedSlices(layer, camera)];
    return both.some((slices) => slices?.[tree.base]?.join() === name);
  }

  /** Forget what is shown of all layers but these. */
  keepOnly(layers: readonly Layer[]): void {
    const ids = new Set(layers.map((layer) => layer.id));
    for (const id of this.#shown.keys()) if (!ids.has(id)) this.#shown.delete(id);
  }

  #slices(layer: Layer, camera: VolumeCamera): readonly Slice[] | null {
    const wanted = wantedSlices(layer, camera);
    const tree = octreeOf(layer, camera.volume.displayed);
    if (!wanted || !tree) {
      this.#shown.delete(layer.id);
      return null;
    }
    const bricks = tree.levels[tree.base]?.bricks ?? [1, 1, 1];
    const needed = isWholeBase(tree) ? bricks[0] * bricks[1] * bricks[2] : 1;
    const slice = wanted[tree.base] ?? [];
    const here =
      this.#store.slots.countInPlane(layer.id, tree.base, slice) +
      [...this.#store.slots.failedInPlane(layer.id, tree.base, slice)].length;
    if (here >= needed || !this.#shown.has(layer.id)) this.#shown.set(layer.id, wanted);
    return this.#shown.get(layer.id) ?? null;
  }
}

function wantedSlices(layer: Layer, camera: VolumeCamera): readonly Slice[] | null {
  const { displayed } = camera.volume;
  return slicesAt(layer, { displayed, position: camera.position });
}
