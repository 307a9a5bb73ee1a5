/** Scenes as a server would send them. */
import type { Layer, LayerSettings, Scene } from "../../src/viewer/types.ts";

const DEFAULTS: LayerSettings = {
  visible: true,
  opacity: 1,
  contrast: [120, 2400],
  gamma: 1,
  colormap: "gray",
  blending: "additive",
};

export function layer(id: number, name: string, more: Partial<Layer> = {}): Layer {
  return {
    id,
    name,
    kind: "image",
    dtype: "uint16",
    data_dtype: "uint16",
    samples: 1,
    axes: [
      { name: "t", type: "time", unit: "second" },
      { name: "z", type: "space", unit: "micrometer" },
      { name: "y", type: "space", unit: "micrometer" },
      { name: "x", type: "space", unit: "micrometer" },
    ],
    levels: [
      { shape: [5, 61, 16384, 16384], scale: [30, 0.5, 0.325, 0.325], translation: [0, 0, 0, 0] },
      { shape: [5, 61, 8192, 8192], scale: [30, 0.5, 0.65, 0.65], translation: [0, 0, 0.16, 0.16] },
      { shape: [5, 61, 4096, 4096], scale: [30, 0.5, 1.3, 1.3], translation: [0, 0, 0.49, 0.49] },
    ],
    defaults: DEFAULTS,
    range: [0, 65535],
    ...more,
  };
}

/** What a result is. */
export const RESULT: Partial<Layer> = {
  kind: "labels",
  dtype: "uint32",
  data_dtype: "int32",
  defaults: { ...DEFAULTS, opacity: 0.7, blending: "translucent", contrast: [0, 1] },
};

export const EMPTY: Scene = { layers: [], opening: 0, notices: [] };

export const PLATE: Scene = {
  layers: [
    layer(0, "plate 12: DAPI", { defaults: { ...DEFAULTS, colormap: "#0088ff" } }),
    layer(1, "plate 12: a channel whose name somebody made very long indeed", {
      defaults: { ...DEFAULTS, colormap: "magma" },
    }),
    layer(2, "plate 12: nuclei", {
      kind: "labels",
      dtype: "uint32",
      data_dtype: "uint32",
      defaults: { ...DEFAULTS, opacity: 0.7, blending: "translucent", contrast: [0, 1] },
    }),
  ],
  opening: 0,
  notices: [],
};
