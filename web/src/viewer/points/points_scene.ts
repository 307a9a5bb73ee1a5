/** The points on the canvas: which sample of them is shown, as which discs, and what is under the pointer. */

import { cellOutlines } from "../outlines.ts";
import type { PointsKey } from "../stream/brick_key.ts";
import type { PointsLook } from "../stream/brick_stream.ts";
import type { Picked, Sample } from "../stream/server_messages.ts";
import type { Camera, Layer, Outline, Pair, PointedPoint, VisibleLayer } from "../types.ts";
import { volumeSight } from "../volumes/volume_camera.ts";
import { type Discs, discAt, discsOf, NO_DISCS, pointOf, STRIDE } from "./discs.ts";
import { pointsSightOf, sliceSight } from "./points_sight.ts";
import { cellName, type HeldCell, type PointsStore } from "./points_store.ts";
import { diameter, drawnProperties } from "./points_tone.ts";

/** A layer of points as it is drawn. */
export type PaintedDiscs = VisibleLayer & { readonly discs: Discs };

export type Pick = { readonly key: PointsKey; readonly index: number };

export class PointsScene {
  readonly #store: PointsStore;
  readonly #colormaps: Readonly<Record<string, Uint8Array>>;
  /** By layer: what the server said last, and what is shown, which may be what it said before. */
  #wanted = new Map<number, Sample>();
  readonly #shown = new Map<number, Sample>();
  readonly #looks = new Map<number, PointsLook>();
  #pinned = new Set<string>();
  #painted: readonly PaintedDiscs[] = [];
  /** What the last discs of a layer were made of, so that they need not be made again. */
  readonly #made = new Map<number, { readonly of: readonly unknown[]; readonly discs: Discs }>();
  /** What was told of the point that was picked. */
  #picked: Picked | null = null;

  constructor(store: PointsStore, colormaps: Readonly<Record<string, Uint8Array>>) {
    this.#store = store;
    this.#colormaps = colormaps;
  }

  /** Show these, as soon as there is something of them. */
  setSamples(samples: readonly Sample[]): void {
    this.#wanted = new Map(samples.map((sample) => [sample.layer, sample]));
    for (const id of this.#shown.keys()) if (!this.#wanted.has(id)) this.#shown.delete(id);
    this.#pin();
  }

  /**
   * What of the settings of layers decides what is sent. From generation `next` on the server knows it:
   * where other properties are drawn, nothing held counts any more.
   */
  looks(layers: readonly VisibleLayer[], next: number): Record<string, PointsLook> {
    const looks: Record<string, PointsLook> = {};
    for (const { layer, settings } of layers) {
      if (layer.kind !== "points") continue;
      const look: PointsLook = {
        size: diameter(settings),
        unit: settings.unit ?? "screen",
        properties: drawnProperties(layer, settings),
        thickness: settings.thickness ?? {},
      };
      const before = this.#looks.get(layer.id);
      if (before && before.properties.join("\n") !== look.properties.join("\n")) {
        this.#store.turn(layer.id, next);
      }
      this.#looks.set(layer.id, look);
      looks[String(layer.id)] = look;
    }
    return looks;
  }

  /** Whether other settings mean that other points may be sent. */
  isNews({ layer, settings }: VisibleLayer): boolean {
    const before = this.#looks.get(layer.id);
    return (
      layer.kind === "points" &&
      (before?.size !== diameter(settings) ||
        before.unit !== (settings.unit ?? "screen") ||
        before.properties.join("\n") !== drawnProperties(layer, settings).join("\n") ||
        JSON.stringify(before.thickness) !== JSON.stringify(settings.thickness ?? {}))
    );
  }

  /** What to draw of each layer of points. True: all show what the server said last. */
  prepare(
    camera: Camera,
    size: Pair,
    layers: readonly VisibleLayer[],
    frame: number,
  ): { readonly painted: ReadonlyMap<number, PaintedDiscs>; readonly caughtUp: boolean } {
    let caughtUp = true;
    const { volume } = camera;
    const sight = volume
      ? pointsSightOf(volume, volumeSight(volume, size))
      : sliceSight(camera, size);
    const painted = new Map<number, PaintedDiscs>();
    for (const visible of layers) {
      const { layer, settings } = visible;
      if (layer.kind !== "points") continue;
      caughtUp = this.#update(layer.id) && caughtUp;
      const sample = this.#shown.get(layer.id);
      for (const { key } of sample?.cells ?? []) {
        const cell = this.#store.get(key);
        if (cell) cell.drawn = frame;
      }
      const of = [layer, JSON.stringify(settings), sample, this.#store.revision, camera, ...size];
      const made = this.#made.get(layer.id);
      const same = made?.of.every((one, i) => one === of[i]);
      const discs =
        same && made
          ? made.discs
          : sample && discsOf(layer, settings, sample, this.#store, sight, this.#colormaps);
      this.#made.set(layer.id, { of, discs: discs ?? NO_DISCS });
      if (discs) painted.set(layer.id, { ...visible, discs });
    }
    this.#painted = [...painted.values()];
    return { painted, caughtUp };
  }

  /** How many points the last frame shows, by layer. */
  get counts(): Readonly<Record<string, number>> {
    return Object.fromEntries(this.#painted.map(({ layer, discs }) => [layer.id, discs.count]));
  }

  /** The uppermost point at a device pixel of the last frame, and how to ask for its properties. */
  pointAt(at: Pair): { readonly point: PointedPoint; readonly pick: Pick | null } | null {
    for (const { layer, discs } of this.#painted.toReversed()) {
      const disc = discAt(discs, at);
      const { key, index } = pointOf(discs, disc) ?? { key: null, index: 0 };
      const cell = key && this.#store.get(key);
      if (!key || !cell) continue;
      const axes = layer.axes.map(({ name }, axis) => {
        return [name, cell.positions[index * layer.axes.length + axis] ?? 0] as const;
      });
      const picked = this.#picked;
      const known = picked && picked.index === index && cellName(picked.key) === cellName(key);
      const [x = 0, y = 0, radius = 0] = discs.data.subarray(disc * STRIDE, disc * STRIDE + 3);
      return {
        point: {
          layer: layer.id,
          place: [x, y],
          radius,
          position: Object.fromEntries(axes),
          properties: known ? picked.properties : null,
        },
        pick: known || !cell.known ? null : { key, index },
      };
    }
    return null;
  }

  /** From which cells the last frame is drawn, with this camera. */
  outlines(camera: Camera, size: Pair): readonly Outline[] {
    const { zoom } = camera.volume ?? camera;
    return this.#painted.flatMap(({ layer, settings, discs }) => {
      const drawn = new Set(discs.points.cell.subarray(0, discs.count));
      const cells = discs.points.cells.flatMap((key, i) => {
        const cell = drawn.has(i) ? this.#store.get(key) : null;
        return cell ?? [];
      });
      const reach = diameter(settings) / 2 / (settings.unit === "world" ? 1 : zoom);
      return cellOutlines(layer, cells, reach, camera, size);
    });
  }

  setPicked(picked: Picked): void {
    this.#picked = picked;
  }

  /** Whether a cell is of what is shown or waited for. */
  isPinned(cell: HeldCell): boolean {
    return this.#pinned.has(cellName(cell.key));
  }

  /** Forget what is shown of all layers but these. */
  keepOnly(layers: readonly Layer[]): void {
    const ids = new Set(layers.map((layer) => layer.id));
    for (const map of [this.#wanted, this.#shown, this.#looks, this.#made]) {
      for (const id of map.keys()) if (!ids.has(id)) map.delete(id);
    }
    this.#painted = [];
    this.#pin();
  }

  #update(id: number): boolean {
    const [wanted, shown] = [this.#wanted.get(id), this.#shown.get(id)];
    if (!wanted) return shown === undefined;
    // A layer goes on showing the slice before, until there is something of the next.
    const moves = shown !== undefined && JSON.stringify(shown.slab) !== JSON.stringify(wanted.slab);
    if (moves && !this.#store.hasMost(wanted)) return false;
    if (shown !== wanted) {
      this.#shown.set(id, wanted);
      this.#pin();
    }
    return true;
  }

  #pin(): void {
    const samples = [...this.#wanted.values(), ...this.#shown.values()];
    this.#pinned = new Set(samples.flatMap(({ cells }) => cells.map(({ key }) => cellName(key))));
  }
}
