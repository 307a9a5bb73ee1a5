/** How points look by their properties: colours and sizes. Pure; the same as in Python's `opsin.render.points`. */

import { colourTable, ENTRIES } from "../gl/colour_tables.ts";
import { labelColour } from "../label_colour.ts";
import type { Layer, LayerSettings, Property } from "../types.ts";

/** What a point with the lowest number has of the size. */
const SMALLEST = 1 / 4;
const SIZE = 4;

export function propertyOf(layer: Layer, name: string | undefined): Property | null {
  return layer.points?.properties.find((one) => one.name === name) ?? null;
}

/** The properties whose values decide how a layer looks. */
export function drawnProperties(layer: Layer, settings: LayerSettings): readonly string[] {
  const names = [settings.colourBy, settings.sizeBy].filter((name) => propertyOf(layer, name));
  return [...new Set(names as string[])];
}

/** The colour of a value as bytes red, green, blue, 255 in one number; -1: the point is not drawn. */
export type Tone = (value: number) => number;

export function plainTone(
  settings: LayerSettings,
  colormaps: Readonly<Record<string, Uint8Array>>,
): Tone {
  const colour = entry(colourTable(colormaps, settings.colour ?? "#ffffff"), ENTRIES - 1);
  return () => colour;
}

export function toneOf(
  property: Property,
  settings: LayerSettings,
  colormaps: Readonly<Record<string, Uint8Array>>,
): Tone {
  if (property.categories > 0) {
    const known = new Map<number, number>();
    return (value) => {
      let colour = known.get(value);
      if (colour === undefined) {
        // As of labels, whose id 0 is nothing.
        const [red = 1, green = 1, blue = 1] = labelColour(Math.max(value, 0) + 1) ?? [];
        colour = packed(Math.round(red * 255), Math.round(green * 255), Math.round(blue * 255));
        known.set(value, colour);
      }
      return colour;
    };
  }
  const [low, high] = settings.contrast;
  const table = colourTable(colormaps, settings.colormap);
  const colours = Array.from({ length: ENTRIES }, (_, i) => entry(table, i));
  const { gamma } = settings;
  return (value) => {
    if (Number.isNaN(value)) return -1;
    const t = Math.min(Math.max(fraction(value, low, high), 0), 1);
    return colours[Math.floor((gamma === 1 ? t : t ** gamma) * 255 + 0.5)] ?? 0;
  };
}

/** The part of the size that a point with a value has. */
export function sizing(property: Property | null): (value: number) => number {
  if (!property) return () => 1;
  const [low, high] = property.range ?? [0, Math.max(property.categories - 1, 1)];
  return (value) => {
    const t = fraction(value, low, high);
    return SMALLEST + (1 - SMALLEST) * (Number.isNaN(t) ? 0 : Math.min(Math.max(t, 0), 1));
  };
}

export function diameter(settings: LayerSettings): number {
  return settings.size ?? SIZE;
}

function fraction(value: number, low: number, high: number): number {
  return high > low ? (value - low) / (high - low) : value > low ? 1 : 0;
}

function entry(table: Uint8Array, index: number): number {
  return packed(table[index * 3] ?? 0, table[index * 3 + 1] ?? 0, table[index * 3 + 2] ?? 0);
}

/** Little endian, as all that run browsers are. */
function packed(red: number, green: number, blue: number): number {
  return (red | (green << 8) | (blue << 16) | (255 << 24)) >>> 0;
}
