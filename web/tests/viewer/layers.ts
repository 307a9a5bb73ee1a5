/** Layers for tests. */
import type { Layer, Level } from "../../src/viewer/types.ts";

const NAMES = ["t", "z", "y", "x"];

export function layerOf(levels: readonly Level[], more: Partial<Layer> = {}): Layer {
  const dimensions = levels[0]?.shape.length ?? 2;
  return {
    id: 0,
    name: "test",
    kind: "image",
    dtype: "uint16",
    data_dtype: "uint16",
    samples: 1,
    axes: NAMES.slice(-dimensions).map((name) => ({
      name,
      type: name === "t" ? "time" : "space",
      unit: null,
    })),
    levels,
    defaults: {
      visible: true,
      opacity: 1,
      contrast: [0, 1],
      gamma: 1,
      colormap: "gray",
      blending: "translucent",
    },
    range: [0, 65535],
    ...more,
  };
}

/** Levels of 2 × 2 means over the last two axes. */
export function pyramid(shape: readonly number[], count: number, scale = 1): Level[] {
  return Array.from({ length: count }, (_, level) => {
    const factor = 2 ** level;
    const flat = (i: number) => i >= shape.length - 2;
    return {
      shape: shape.map((size, i) => (flat(i) ? Math.max(1, Math.ceil(size / factor)) : size)),
      scale: shape.map((_size, i) => (flat(i) ? scale * factor : 1)),
      translation: shape.map((_size, i) => (flat(i) ? (scale * (factor - 1)) / 2 : 0)),
    };
  });
}
