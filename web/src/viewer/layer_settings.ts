/** How layers are drawn: the server's defaults and what was changed since. */

import type { Layer, LayerSettings } from "./types.ts";

const PLAIN: LayerSettings = {
  visible: true,
  opacity: 1,
  contrast: [0, 1],
  gamma: 1,
  colormap: "gray",
  blending: "translucent",
};

/** Changes are kept by layer id, also for layers that have not come yet. */
export class SettingsTable {
  #defaults = new Map<number, LayerSettings>();
  readonly #changes = new Map<number, Partial<LayerSettings>>();

  setScene(layers: readonly Layer[]): void {
    this.#defaults = new Map(layers.map((layer) => [layer.id, layer.defaults]));
  }

  get(id: number): LayerSettings {
    return { ...(this.#defaults.get(id) ?? PLAIN), ...this.#changes.get(id) };
  }

  change(id: number, settings: Partial<LayerSettings>): LayerSettings {
    this.#changes.set(id, { ...this.#changes.get(id), ...settings });
    return this.get(id);
  }
}
