/** The slices on the canvas: what to draw for a camera, what is under the pointer, what has to stay. */

import type { BrickStore } from "../brick_store.ts";
import { sightOf } from "../camera.ts";
import { baseLevel, isWhole, planeOf, toWorld } from "../geometry.ts";
import type { PaintedLayer } from "../gl/painter.ts";
import type { Surface } from "../gl/surface.ts";
import { texelText } from "../gl/texel_reader.ts";
import { sliceOutlines } from "../outlines.ts";
import type { PointsScene } from "../points/points_scene.ts";
import type { Slot } from "../slots.ts";
import type { Camera, Coverage, Layer, Outline, Pair, Probe, VisibleLayer } from "../types.ts";
import { drawList } from "./draw_list.ts";
import { pointedTexel } from "./pointed_texel.ts";
import { ShownSlices } from "./shown_slices.ts";

export class SliceScene {
  readonly #surface: Surface;
  readonly #store: BrickStore;
  readonly #shown = new ShownSlices();
  /** Per layer the level that is kept whole, see `#pinnedLevel`. */
  readonly #pinnable = new Map<number, number>();
  #painted: readonly PaintedLayer[] = [];
  readonly #points: PointsScene;

  constructor(surface: Surface, store: BrickStore, points: PointsScene) {
    this.#surface = surface;
    this.#store = store;
    this.#points = points;
  }

  /**
   * Draw the layers, from the lowest to the uppermost. `targets`: the level that the server aims at, by layer.
   * True: what was drawn is of the slices that the camera asks for.
   */
  draw(
    camera: Camera | null,
    size: Pair,
    clear: readonly [number, number, number],
    layers: readonly VisibleLayer[],
    frame: number,
    targets: Readonly<Record<string, number>>,
  ): boolean {
    let caughtUp = false;
    this.#painted = [];
    let discs: ReturnType<PointsScene["prepare"]>["painted"] = new Map();
    if (camera) {
      const sight = sightOf(camera, size);
      const { slots } = this.#store;
      const images = layers.filter(({ layer }) => layer.kind !== "points");
      const visible = images.map(({ layer }) => layer);
      this.#shown.keepOnly(visible);
      caughtUp = this.#shown.update(visible, camera, sight, slots);
      const points = this.#points.prepare(camera, size, layers, frame);
      discs = points.painted;
      caughtUp &&= points.caughtUp;
      this.#painted = images.map(({ layer, settings }) => {
        const [slices, aim] = [this.#shown.shown(layer.id), targets[String(layer.id)]];
        const { displayed } = camera;
        const list = drawList(layer, displayed, slices, sight, slots, aim, settings.contour);
        return { layer, settings, list };
      });
    }
    const lists = new Map(this.#painted.map((one) => [one.layer.id, one]));
    const painted = layers.flatMap(({ layer }) => lists.get(layer.id) ?? discs.get(layer.id) ?? []);
    this.#surface.painter?.paint(size, clear, painted);
    this.#surface.pending?.add();
    for (const { list } of this.#painted) {
      for (const brick of list.bricks) {
        brick.slot.drawn = frame;
        for (const slot of brick.neighbours) if (slot) slot.drawn = frame;
        const { left, right, upper, lower } = brick.around ?? {};
        for (const slot of [left, right, upper, lower]) if (slot) slot.drawn = frame;
      }
    }
    return caughtUp;
  }

  /** Whether another frame would only wait. */
  get isBusy(): boolean {
    return this.#surface.pending?.isFull === true;
  }

  /** Of the last frame. */
  coverage(size: Pair): Coverage {
    const { painter } = this.#surface;
    return painter?.coverage(size, this.#painted) ?? { inside: 0, uncovered: 0 };
  }

  /** From which bricks the last frame was drawn. */
  outlines(): readonly Outline[] {
    return sliceOutlines(this.#painted.map(({ list }) => list));
  }

  /** What the last frame shows at a device pixel. */
  probe(camera: Camera, size: Pair, at: Pair): Probe | null {
    const { reader } = this.#surface;
    if (!reader) return null;
    const values = this.#painted.map(({ layer, list }) => {
      const texel = pointedTexel(list, at);
      // A brick that was evicted after it was drawn has no texture any more.
      if (!texel || this.#store.slots.get(texel.slot.key) !== texel.slot) {
        return { layer: layer.id, value: null, level: null };
      }
      const words = reader.read(texel.slot.content, texel.row, texel.column);
      const value = texelText(words, layer.dtype, layer.samples);
      return { layer: layer.id, value, level: texel.slot.key[1] };
    });
    return { world: toWorld(sightOf(camera, size), at[0], at[1]), values };
  }

  /** Whether a slot is of the base of a slice that is shown or waited for. */
  isPinned(slot: Slot<unknown>, layer: Layer, displayed: Camera["displayed"]): boolean {
    const [, level, slice] = slot.key;
    if (level !== this.#pinnedLevel(layer, displayed)) return false;
    const name = slice.join();
    return this.#shown.both(layer.id).some((slices) => slices?.[level]?.join() === name);
  }

  /** Forget what is shown of all layers but these. */
  keepOnly(layers: readonly Layer[]): void {
    this.#shown.keepOnly(layers);
    this.#pinnable.clear();
    this.lose();
  }

  /** Slices are along other axes from now on. */
  turn(): void {
    this.keepOnly([]);
  }

  /** What was drawn is gone. */
  lose(): void {
    this.#painted = [];
  }

  /** The base of a layer, or -1 where it is too large to be kept whole. */
  #pinnedLevel(layer: Layer, displayed: Camera["displayed"]): number {
    const known = this.#pinnable.get(layer.id);
    if (known !== undefined) return known;
    const base = baseLevel(layer, displayed);
    const plane = planeOf(layer, base, displayed);
    const level = plane && isWhole(plane) ? base : -1;
    this.#pinnable.set(layer.id, level);
    return level;
  }
}
