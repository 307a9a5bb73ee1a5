/**
 * The whole state of a view as one small JSON value, which lives in the page's address and on the server.
 *
 * What comes back from an address was typed, cut or made up by somebody: everything is checked, what is
 * wrong is left out and named, and nothing that is wrong ever reaches the viewer.
 */
import type {
  Blending,
  Box,
  Camera,
  LayerSettings,
  Mode,
  Pair,
  Quaternion,
  Scene,
  Triple,
  VolumeView,
} from "../viewer/types.ts";
import { OVERLAYS, type OverlayName } from "./overlays/switches.ts";

export type ViewState = {
  readonly version: 1;
  /** `displayed` is left out where it is the usual. */
  readonly camera:
    | (Pick<Camera, "center" | "zoom" | "position" | "volume"> & Partial<Pick<Camera, "displayed">>)
    | null;
  readonly layers: Readonly<Record<string, Partial<LayerSettings>>>;
  /** What is drawn over the image; left out where it is the usual. */
  readonly overlays?: readonly OverlayName[];
  /** Four views, of which one looks like this at the volume; left out where there is one view. */
  readonly quad?: VolumeView;
};

export type Decoded = {
  /** Null where nothing could be used. */
  readonly state: ViewState | null;
  /** Sentences for the user. */
  readonly problems: readonly string[];
};

const PREFIX = "#view=";
const LONGEST_HASH = 65_536;
const BLENDINGS: readonly Blending[] = ["translucent", "additive", "opaque", "minimum"];

/** Numbers beyond this are no place to look at: float32 shaders turn them into infinities. */
const LARGEST = 1e30;

export function encodeHash(state: ViewState): string {
  return PREFIX + encodeURIComponent(JSON.stringify(state));
}

/** The state in a page's hash; no state and no problems where the hash holds no view. */
export function decodeHash(hash: string): Decoded {
  if (!hash.startsWith(PREFIX)) return { state: null, problems: [] };
  if (hash.length > LONGEST_HASH) return unusable("it is too long");
  let json: unknown;
  try {
    json = JSON.parse(decodeURIComponent(hash.slice(PREFIX.length)));
  } catch {
    return unusable("it is cut or damaged");
  }
  return decodeState(json);
}

/** A state from parsed JSON, with everything left out that is not what it should be. */
export function decodeState(json: unknown): Decoded {
  if (!isRecord(json)) return unusable("it is not a view");
  if (json["version"] !== 1) return unusable("it was made by another version of Opsin");
  const wrong: string[] = [];
  const camera = json["camera"] == null ? null : decodeCamera(json["camera"]);
  if (json["camera"] != null && camera === null) wrong.push("the camera");
  if (isRecord(json["camera"]) && json["camera"]["volume"] != null && camera && !camera.volume) {
    wrong.push("the look in 3D");
  }
  const layers: [string, Partial<LayerSettings>][] = [];
  if (isRecord(json["layers"])) {
    for (const [id, value] of Object.entries(json["layers"])) {
      if (!/^\d{1,9}$/.test(id) || !isRecord(value)) {
        wrong.push(`layer ${id.slice(0, 20)}`);
        continue;
      }
      const { settings, rejected } = decodeSettings(value);
      if (rejected.length > 0) wrong.push(`${rejected.join(", ")} of layer ${id}`);
      layers.push([id, settings]);
    }
  } else if (json["layers"] != null) {
    wrong.push("the layers");
  }
  const overlays = json["overlays"] == null ? null : decodeOverlays(json["overlays"]);
  if (json["overlays"] != null && overlays === null) wrong.push("the overlays");
  const quad = json["quad"] == null ? null : decodeVolume(json["quad"]);
  if (json["quad"] != null && quad === null) wrong.push("the four views");
  const problems =
    wrong.length > 0 ? [`Part of the view in this address was ignored: ${shortList(wrong)}.`] : [];
  const state = { version: 1, camera, layers: Object.fromEntries(layers) } as const;
  return {
    state: { ...state, ...(overlays ? { overlays } : {}), ...(quad ? { quad } : {}) },
    problems,
  };
}

/** The part of a state that fits a scene: layers and colour maps that exist, axes that are there. */
export function stateForScene(
  state: ViewState,
  scene: Scene,
  colormaps: ReadonlySet<string>,
): Decoded {
  const problems: string[] = [];
  const known = new Set(scene.layers.map((layer) => String(layer.id)));
  const axes = new Set(scene.layers.flatMap((layer) => layer.axes.map((axis) => axis.name)));
  const unknown = Object.keys(state.layers).filter((id) => !known.has(id));
  if (unknown.length > 0) {
    const noun = unknown.length === 1 ? "a layer that is" : "layers that are";
    problems.push(`The view in this address has ${noun} not open here.`);
  }
  const layers = Object.entries(state.layers)
    .filter(([id]) => known.has(id))
    .map(([id, settings]): [string, Partial<LayerSettings>] => {
      const { colormap, ...rest } = settings;
      if (colormap === undefined) return [id, settings];
      if (isColour(colormap) || colormaps.has(colormap)) return [id, settings];
      problems.push(`The colour map “${colormap.slice(0, 30)}” is not known here.`);
      return [id, rest];
    });
  const camera = state.camera && cameraWithin(state.camera, axes);
  const { quad, ...rest } = state;
  const fitting = { ...rest, camera, layers: Object.fromEntries(layers) };
  const isFour = quad?.displayed.every((axis) => axes.has(axis));
  return { state: quad && isFour ? { ...fitting, quad } : fitting, problems };
}

function cameraWithin(
  { displayed, volume, position, ...looked }: NonNullable<ViewState["camera"]>,
  axes: ReadonlySet<string>,
): ViewState["camera"] {
  const here = volume?.displayed.every((axis) => axes.has(axis)) ? volume : null;
  return {
    ...looked,
    ...(displayed?.every((axis) => axes.has(axis)) ? { displayed } : {}),
    position: Object.fromEntries(Object.entries(position).filter(([axis]) => axes.has(axis))),
    ...(volume ? { volume: here } : {}),
  };
}

/** What differs from the defaults: all that an address needs to hold. */
export function changedSettings(
  settings: LayerSettings,
  defaults: LayerSettings,
): Partial<LayerSettings> {
  const changed = (Object.keys(settings) as (keyof LayerSettings)[]).filter(
    (key) => JSON.stringify(settings[key]) !== JSON.stringify(defaults[key]),
  );
  return Object.fromEntries(changed.map((key) => [key, settings[key]]));
}

export function isColour(text: string): boolean {
  return /^#[0-9a-f]{6}$/i.test(text);
}

function decodeOverlays(value: unknown): readonly OverlayName[] | null {
  if (!Array.isArray(value)) return null;
  const known = OVERLAYS.map(({ name }) => name).filter((name) => value.includes(name));
  return known.length === value.length ? known : null;
}

function decodeCamera(value: unknown): ViewState["camera"] {
  if (!isRecord(value)) return null;
  const center = pair(value["center"]);
  const zoom = value["zoom"];
  const position = value["position"] ?? {};
  if (center === null || !isUsable(zoom) || zoom < 1e-12 || zoom > 1e12) return null;
  if (!isRecord(position)) return null;
  const entries = Object.entries(position).filter((entry): entry is [string, number] =>
    isUsable(entry[1]),
  );
  const volume = decodeVolume(value["volume"]);
  const displayed = decodeDisplayed(value["displayed"]);
  const looked = {
    center,
    zoom,
    position: Object.fromEntries(entries.slice(0, 32)),
    ...(displayed ? { displayed } : {}),
  };
  return volume ? { ...looked, volume } : looked;
}

function decodeDisplayed(value: unknown): Camera["displayed"] | null {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [first, second]: unknown[] = value;
  const named = typeof first === "string" && typeof second === "string";
  return named && first !== second ? [first, second] : null;
}

const MODES: readonly Mode[] = ["mip", "average", "minip", "translucent", "iso"];

function decodeVolume(value: unknown): VolumeView | null {
  if (!isRecord(value)) return null;
  const { zoom, perspective, quality, displayed } = value;
  const [center, mode] = [triple(value["center"]), MODES.find((one) => one === value["mode"])];
  const orientation = numbers(value["orientation"], 4) as Quaternion | null;
  const length = orientation ? Math.hypot(...orientation) : 0;
  if (!center || !mode || !orientation || !(length > 0.5 && length < 2)) return null;
  if (!isUsable(zoom) || zoom < 1e-12 || zoom > 1e12) return null;
  if (!isUsable(perspective) || perspective < 0 || perspective > 150) return null;
  if (!isUsable(quality) || quality < 1 / 16 || quality > 4) return null;
  if (!Array.isArray(displayed) || displayed.length !== 3 || new Set(displayed).size !== 3)
    return null;
  if (!displayed.every((name) => typeof name === "string")) return null;
  const { density, threshold } = value;
  return {
    center,
    zoom,
    orientation,
    perspective,
    displayed: displayed as unknown as VolumeView["displayed"],
    mode,
    quality,
    density: isUsable(density) && density >= 0 ? density : null,
    threshold: isUsable(threshold) ? threshold : null,
    clip: decodeBox(value["clip"]),
  };
}

function decodeBox(value: unknown): Box | null {
  if (!Array.isArray(value) || value.length !== 2) return null;
  const [low, high] = [triple(value[0]), triple(value[1])];
  return low && high && low.every((one, i) => one < (high[i] ?? one)) ? [low, high] : null;
}

const CHECKS: {
  readonly [K in keyof LayerSettings]-?: (value: unknown) => Required<LayerSettings>[K] | null;
} = {
  visible: (value) => (typeof value === "boolean" ? value : null),
  opacity: (value) => (isUsable(value) && value >= 0 && value <= 1 ? value : null),
  contrast: (value) => {
    const limits = pair(value);
    return limits !== null && limits[0] < limits[1] ? limits : null;
  },
  gamma: (value) => (isUsable(value) && value >= 0.01 && value <= 100 ? value : null),
  colormap: (value) =>
    typeof value === "string" && value !== "" && value.length <= 100 ? value : null,
  blending: (value) => BLENDINGS.find((name) => name === value) ?? null,
  contour: (value) => (isUsable(value) && value >= 0 && value <= 20 ? value : null),
  only: (value) => (value === "" || isId(value) ? value : null),
  hidden: (value) =>
    Array.isArray(value) && value.length <= 1000 && value.every(isId) ? value : null,
  size: (value) => (isUsable(value) && value >= 1e-9 && value <= 1e12 ? value : null),
  unit: (value) => (value === "screen" || value === "world" ? value : null),
  colour: (value) => (typeof value === "string" && isColour(value) ? value : null),
  colourBy: (value) => (isName(value) ? value : null),
  sizeBy: (value) => (isName(value) ? value : null),
  thickness: (value) => {
    if (!isRecord(value)) return null;
    const entries = Object.entries(value).slice(0, 32);
    const fine = entries.every(([, length]) => isUsable(length) && length >= 0);
    return fine ? (Object.fromEntries(entries) as Record<string, number>) : null;
  },
};

/** Of a property; "" for none. */
function isName(value: unknown): value is string {
  return typeof value === "string" && value.length <= 1000;
}

function decodeSettings(value: Readonly<Record<string, unknown>>) {
  const rejected: string[] = [];
  const entries: [string, unknown][] = [];
  for (const key of Object.keys(CHECKS) as (keyof LayerSettings)[]) {
    if (!Object.hasOwn(value, key)) continue;
    const checked = CHECKS[key](value[key]);
    if (checked === null) rejected.push(key);
    else entries.push([key, checked]);
  }
  return { settings: Object.fromEntries(entries) as Partial<LayerSettings>, rejected };
}

/** A label, as a decimal string. */
function isId(value: unknown): value is string {
  return typeof value === "string" && /^-?\d{1,20}$/.test(value);
}

function pair(value: unknown): Pair | null {
  return numbers(value, 2) as Pair | null;
}

function triple(value: unknown): Triple | null {
  return numbers(value, 3) as Triple | null;
}

function numbers(value: unknown, count: number): readonly number[] | null {
  return Array.isArray(value) && value.length === count && value.every(isUsable) ? value : null;
}

function isUsable(value: unknown): value is number {
  return typeof value === "number" && Number.isFinite(value) && Math.abs(value) <= LARGEST;
}

function isRecord(value: unknown): value is Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

function shortList(items: readonly string[]): string {
  return items.length <= 3
    ? items.join("; ")
    : `${items.slice(0, 3).join("; ")} and ${items.length - 3} more`;
}

function unusable(reason: string): Decoded {
  return { state: null, problems: [`The view in this address was ignored: ${reason}.`] };
}
