/** Bricks of volumes in textures, and their aprons, which get better as neighbours come. */

import { VolumeTexture, volumeBytes } from "../gl/volume_texture.ts";
import { type Slot, SlotTable } from "../slots.ts";
import { planeName, type Slice, type VolumeKey, volumeNumber } from "../stream/brick_key.ts";
import { type Brick, BYTES_PER_VALUE } from "../stream/server_messages.ts";
import type { Layer, Triple, VolumeView } from "../types.ts";
import { each, type Octree, octreeOf, SIDE } from "./octree.ts";
import { coarser, neighbouring, repeated, SIDES } from "./volume_shell.ts";

type Held = Slot<VolumeTexture>;

export class VolumeStore {
  readonly slots: SlotTable<VolumeTexture>;
  /** Rises when bricks come or go. */
  #revision = 0;
  /** The revision at which a brick's apron was last looked at. */
  #looked = new WeakMap<VolumeTexture, number>();

  constructor(budget: number) {
    this.slots = new SlotTable(budget);
  }

  /** Take a brick into a texture; one that cannot be is not kept. */
  put(
    gl: WebGL2RenderingContext,
    layer: Layer,
    displayed: VolumeView["displayed"],
    brick: Brick & { readonly key: VolumeKey },
    frame: number,
  ): void {
    const tree = octreeOf(layer, displayed);
    const shape = tree && shapeOf(tree, brick.key);
    const bytes = BYTES_PER_VALUE[layer.dtype];
    if (!shape || shape.some((count, i) => count !== brick.shape[i])) return;
    const whole = shape[0] * shape[1] * shape[2] * layer.samples * bytes;
    if (brick.payload.length !== whole && brick.payload.length !== layer.samples * bytes) return;
    if (brick.key[2].length !== layer.axes.length - 3) return;
    const range = brick.range ?? [Number.NEGATIVE_INFINITY, Number.POSITIVE_INFINITY];
    const texture = new VolumeTexture(gl, layer, shape, range, brick.payload);
    const replaced = this.slots.put(
      brick.key,
      volumeBytes(layer, shape, bytes),
      texture,
      frame,
      brick.provenance,
    );
    replaced?.content.delete(gl);
    this.#revision += 1;
    const name = planeName(layer.id, brick.key[1], brick.key[2]);
    this.#improve(gl, layer, tree, [name], brick.key, texture, true);
  }

  changed(): void {
    this.#revision += 1;
  }

  /** Better aprons for bricks that are drawn. True: time was over, there are more to look at. */
  improve(
    gl: WebGL2RenderingContext,
    layer: Layer,
    displayed: VolumeView["displayed"],
    slices: readonly Slice[],
    drawn: Iterable<Held>,
    deadline: number,
  ): boolean {
    const tree = octreeOf(layer, displayed);
    if (!tree) return false;
    const names = slices.map((slice, level) => planeName(layer.id, level, slice));
    for (const slot of drawn) {
      const { key, content } = slot;
      if (key.length !== 6 || content.unfinished.size === 0) continue;
      if (this.#looked.get(content) === this.#revision || this.slots.get(key) !== slot) continue;
      if (performance.now() > deadline) return true;
      this.#looked.set(content, this.#revision);
      this.#improve(gl, layer, tree, names.slice(key[1]), key, content, false);
    }
    return false;
  }

  /** `names` are the planes of the brick's own and coarser levels. */
  #improve(
    gl: WebGL2RenderingContext,
    layer: Layer,
    tree: Octree,
    names: readonly string[],
    key: VolumeKey,
    content: VolumeTexture,
    isNew: boolean,
  ): void {
    const own = tree.levels[key[1]];
    if (!own) return;
    const nearest = layer.kind === "labels";
    for (const [side, quality] of [...content.unfinished]) {
      const way = SIDES[side] ?? [0, 0, 0];
      const place = each((i) => key[3 + i] as number) satisfies Triple;
      const beside = each((i) => place[i] + way[i]);
      if (beside.some((one, i) => one < 0 || one >= (own.bricks[i] ?? 0))) {
        content.setPiece(gl, side, repeated(content.shell, way), 0);
        continue;
      }
      const same = this.slots.numbered(names[0] ?? "", volumeNumber(...beside));
      if (same) {
        content.setPiece(gl, side, neighbouring(content.shell, same.content.shell, way), 0);
        continue;
      }
      const found = isNew ? null : this.#instead(tree, names, key[1], place, way);
      if (found && found.above < quality) {
        const { other, above, at } = found;
        const level = tree.levels[key[1] + above];
        if (!level) continue;
        const ratio = each((i) => own.scale[i] / level.scale[i]);
        const offset = each((i) => {
          const world = own.edge[i] + own.scale[i] * (place[i] * SIDE + 0.5) - level.edge[i];
          return world / level.scale[i] - 0.5 - at[i] * SIDE;
        });
        const shell = other.content.shell;
        const piece = coarser(content.shell, shell, way, offset, ratio, nearest);
        content.setPiece(gl, side, piece, above);
      } else if (isNew) {
        const piece = repeated(content.shell, way);
        content.setPiece(gl, side, piece, quality);
      }
    }
  }

  /** The brick of a coarser level that is drawn where a neighbour is not held. */
  #instead(
    tree: Octree,
    names: readonly string[],
    level: number,
    place: Triple,
    way: Triple,
  ): { readonly other: Held; readonly above: number; readonly at: Triple } | null {
    const own = tree.levels[level];
    if (!own) return null;
    // Half a voxel behind the middle of the border.
    const middle = each(
      (i) => own.edge[i] + own.scale[i] * (place[i] * SIDE + SIDE / 2 + (way[i] * (SIDE + 1)) / 2),
    );
    for (let above = 1; level + above <= tree.base; above++) {
      const coarse = tree.levels[level + above];
      if (!coarse) return null;
      const at = each((i) => {
        const guess = Math.floor((middle[i] - coarse.edge[i]) / (coarse.scale[i] * SIDE));
        return Math.min(Math.max(guess, 0), coarse.bricks[i] - 1);
      });
      const other = this.slots.numbered(names[above] ?? "", volumeNumber(...at));
      if (other) return { other, above, at };
    }
    return null;
  }
}

function shapeOf(tree: Octree, key: VolumeKey): Triple | null {
  const level = tree.levels[key[1]];
  if (!level) return null;
  const [, , , depth, row, column] = key;
  const place: Triple = [depth, row, column];
  const shape = each((i) => Math.min(level.shape[i] - place[i] * SIDE, SIDE));
  return shape.every((count) => count > 0) ? shape : null;
}
