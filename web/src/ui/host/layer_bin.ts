/** Layers that were removed, which can be brought back. */
import { signal } from "@preact/signals";
import type { Layer } from "../../viewer/types.ts";
import type { Desk } from "../desk.ts";
import { sentenceOf } from "../errors.ts";
import type { HostLink } from "./host_link.ts";

export class LayerBin {
  /** Ids of what this page has removed. */
  readonly removed = signal<ReadonlySet<number>>(new Set());
  readonly #desk: Desk;
  readonly #link: HostLink;

  constructor(desk: Desk, link: HostLink) {
    this.#desk = desk;
    this.#link = link;
  }

  /** Take a layer out of the scene, so that it can be undone. */
  async remove(layer: Layer): Promise<void> {
    if (!(await this.#remove(layer))) return;
    const restore = () => void this.restore(layer.id);
    this.#desk.record({ undo: restore, redo: () => void this.#remove(layer) });
    this.#desk.notices.add({
      severity: "info",
      text: `Removed “${layer.name}”.`,
      action: { label: "Undo", run: restore },
    });
  }

  async restore(id: number): Promise<void> {
    // A notice, a job and Ctrl+Z all offer it.
    if (!this.removed.peek().has(id)) return;
    try {
      await this.#link.host.restore_layer(id);
      this.#keep((removed) => removed.delete(id));
    } catch (error) {
      this.#fail("The layer could not be brought back", error);
    }
  }

  async #remove({ id, name }: Layer): Promise<boolean> {
    if (this.removed.peek().has(id)) return false;
    try {
      await this.#link.host.remove_layer(id);
      this.#keep((removed) => removed.add(id));
      return true;
    } catch (error) {
      this.#fail(`“${name}” could not be removed`, error);
      return false;
    }
  }

  #keep(change: (removed: Set<number>) => void): void {
    const removed = new Set(this.removed.peek());
    change(removed);
    this.removed.value = removed;
  }

  #fail(what: string, error: unknown): void {
    this.#desk.notices.add({ severity: "error", text: `${what}: ${sentenceOf(error)}` });
  }
}
