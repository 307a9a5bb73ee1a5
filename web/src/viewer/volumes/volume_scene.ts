/** The volumes on the canvas: what to draw for a camera, how finely, and when it is finished. */

import type { Surface } from "../gl/surface.ts";
import { texelText } from "../gl/texel_reader.ts";
import type { PaintedVolume, VolumePicture } from "../gl/volume_painter.ts";
import type { VolumeTexture } from "../gl/volume_texture.ts";
import { volumeOutlines } from "../outlines.ts";
import type { PaintedDiscs, PointsScene } from "../points/points_scene.ts";
import { slicesAt } from "../slices/shown_slices.ts";
import type { Slot } from "../slots.ts";
import type { Slice } from "../stream/brick_key.ts";
import type {
  Camera,
  Layer,
  Outline,
  Pair,
  Probe,
  Triple,
  VisibleLayer,
  VolumeView,
} from "../types.ts";
import { inVolume, isWholeBase, octreeOf } from "./octree.ts";
import { Pacer } from "./pacer.ts";
import { volumeSight } from "./volume_camera.ts";
import { cellList } from "./volume_cells.ts";
import type { VolumeStore } from "./volume_store.ts";

/** What a frame may spend on aprons; at least one brick's are looked at. */
const APRON_MS = 6;
/** Of a mean that is told. */
const MEAN_DIGITS = 6;

export type VolumeCamera = Camera & { readonly volume: VolumeView };

type Drawn = {
  readonly layer: Layer;
  readonly displayed: VolumeView["displayed"];
  readonly slices: readonly Slice[];
  readonly slots: readonly Slot<VolumeTexture>[];
};

export function isOfVolume(camera: Camera | null): camera is VolumeCamera {
  return camera?.volume != null;
}

export class VolumeScene {
  readonly #surface: Surface;
  readonly #store: VolumeStore;
  readonly #pacer: Pacer;
  readonly #points: PointsScene;
  /** The slices along other axes that layers show: those before, until there is something of the next. */
  readonly #shown = new Map<number, readonly Slice[]>();
  /** What the last frame was drawn from, whose aprons may become better. */
  #drawn: readonly Drawn[] = [];
  #painted: readonly PaintedVolume[] = [];
  #unfinished = false;
  /** What was drawn last, and every how many device pixels of it. */
  #picture: VolumePicture | null = null;
  #factor = 1;
  /** So many rows of the same, with more pixels, are ready out of sight. */
  #ready = 0;

  constructor(surface: Surface, store: VolumeStore, points: PointsScene) {
    this.#surface = surface;
    this.#store = store;
    this.#points = points;
    this.#pacer = new Pacer(surface.gl);
  }

  /** Whether the canvas shows all of its pixels. */
  get isSharp(): boolean {
    return this.#factor === 1;
  }

  /** Whether another frame would only wait; or, if it is not urgent, whether there should be a pause. */
  isBusy(urgent: boolean): boolean {
    return urgent ? this.#pacer.isBusy : this.#pacer.isResting;
  }

  /** The context is lost, and all textures with it. */
  lose(): void {
    this.#pacer.lose();
    this.#drawn = [];
    this.#picture = null;
    this.#factor = 1;
    this.#unfinished = false;
  }

  /** Whether aprons of what was drawn are left to be made better. */
  get isUnfinished(): boolean {
    return this.#unfinished;
  }

  /** Make aprons better, as far as a frame allows. */
  improve(): void {
    if (!this.#surface.volumePainter) return;
    const deadline = performance.now() + APRON_MS;
    const { gl } = this.#surface;
    this.#unfinished = this.#drawn.some(({ layer, displayed, slices, slots }) =>
      this.#store.improve(gl, layer, displayed, slices, slots, deadline),
    );
  }

  /** Draw, with as many pixels as are quick, or all of them whatever it takes (`whole`). */
  draw(
    camera: VolumeCamera,
    size: Pair,
    clear: readonly [number, number, number],
    layers: readonly VisibleLayer[],
    frame: number,
    whole: boolean,
  ): void {
    const painter = this.#surface.volumePainter;
    if (!painter) return;
    const sight = volumeSight(camera.volume, size);
    const painted: (PaintedVolume | PaintedDiscs)[] = [];
    const drawn: Drawn[] = [];
    const points = this.#points.prepare(camera, size, layers, frame);
    for (const { layer, settings } of layers) {
      const discs = points.painted.get(layer.id);
      if (discs) painted.push(discs);
      if (layer.kind === "points") continue;
      const slices = this.#slices(layer, camera);
      const list = cellList(layer, camera.volume, slices, sight, this.#store.slots);
      if (!list || !slices) continue;
      const slots = [...new Set(list.cells.map((cell) => cell.slot))];
      for (const slot of slots) slot.drawn = frame;
      drawn.push({ layer, displayed: camera.volume.displayed, slices, slots });
      painted.push({ layer, settings, list });
    }
    this.#drawn = drawn;
    this.#painted = painted.filter((one) => "list" in one);
    this.improve();
    this.#picture = { size, clear, volume: camera.volume, sight, layers: painted };
    // Points are drawn with all pixels in any case.
    const coarse = !whole && this.#painted.length > 0;
    this.#factor = coarse ? this.#pacer.factor : 1;
    this.#ready = 0;
    painter.paint(this.#picture, this.#factor);
    this.#pacer.drawn(1 / this.#factor ** 2);
  }

  /**
   * Draw a part of what is on the canvas with more of its pixels, out of sight, so that nothing has to wait for
   * long. True: that was the last one, and the canvas shows them now.
   */
  sharpen(frame: number): boolean {
    const [painter, picture] = [this.#surface.volumePainter, this.#picture];
    if (!painter || !picture) return false;
    for (const { slots } of this.#drawn) for (const slot of slots) slot.drawn = frame;
    const all = picture.size[1];
    const finer = this.#pacer.finer(this.#factor);
    const rows = Math.min(this.#pacer.rows(all, finer), all - this.#ready);
    painter.paintRows(picture, [this.#ready, this.#ready + rows], finer);
    this.#ready += rows;
    this.#pacer.drawn(rows / all / finer ** 2, true);
    if (this.#ready < all) return false;
    painter.show(picture.size);
    this.#factor = finer;
    this.#ready = 0;
    return true;
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

  /** From which bricks the last frame was drawn, with the camera's centre there. */
  outlines(center: Triple): readonly Outline[] {
    return this.#painted.flatMap(({ layer, list }) => volumeOutlines(layer.id, list, center));
  }

  /** What the last frame shows at a device pixel: of each layer the voxel that it is about there. */
  probe(camera: VolumeCamera, size: Pair, at: Pair): Probe | null {
    const { volumePicker, reader } = this.#surface;
    if (!volumePicker || !reader) return null;
    const { volume, displayed } = camera;
    const sight = volumeSight(volume, size);
    let place: Record<string, number> | null = null;
    const values = this.#painted.map(({ layer, settings, list }) => {
      // A brick that was evicted after it was drawn has no texture any more.
      const cells = list.cells.filter(({ slot }) => this.#store.slots.get(slot.key) === slot);
      const painted = { layer, settings, list: { ...list, cells } };
      const picked = volumePicker.pick(size, volume, sight, painted, at);
      if (!picked) return { layer: layer.id, value: null, level: null };
      const { slot } = picked.cell;
      place = Object.fromEntries(
        volume.displayed.map((name, i) => [name, (volume.center[i] ?? 0) + (picked.place[i] ?? 0)]),
      );
      const value =
        picked.mean === null
          ? texelText(reader.readVoxel(slot.content, picked.voxel), layer.dtype, layer.samples)
          : String(Number(picked.mean.toPrecision(MEAN_DIGITS)));
      return { layer: layer.id, value, level: slot.key[1] };
    });
    if (!place) return null;
    const at3: Readonly<Record<string, number>> = place;
    return { world: [at3[displayed[0]] ?? 0, at3[displayed[1]] ?? 0], place, values };
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
  return slicesAt(inVolume(layer), { displayed, position: camera.position });
}
