/** What the server says, checked: bytes from outside become types here or a `ProtocolError`. */

import { BRICK } from "../geometry.ts";
import type {
  Axis,
  Layer,
  LayerSettings,
  Level,
  Notice,
  Pair,
  Property,
  RequestRecord,
  Scene,
  WireType,
} from "../types.ts";
import { type BrickKey, isPointsKey, type PointsKey, type WireKey } from "./brick_key.ts";
import { decodeFrame, type Header, ProtocolError } from "./frames.ts";

export type Brick = {
  readonly type: "brick";
  readonly generation: number;
  readonly key: BrickKey;
  /** [rows, columns], of a volume [depth, rows, columns] */
  readonly shape: readonly number[];
  /** Smallest and largest value; null where it is not known. */
  readonly range: Pair | null;
  readonly provenance: string;
  readonly payload: Uint8Array;
};
/** Some points of a cell, from number `first` on. */
export type PointsPart = {
  readonly type: "points";
  readonly generation: number;
  readonly key: PointsKey;
  readonly first: number;
  readonly count: number;
  /** Whose values come, in this order, after the positions. */
  readonly properties: readonly string[];
  readonly provenance: string;
  readonly payload: Uint8Array;
};
/** Which points of a layer are shown: of each cell the first ones. */
export type Sample = {
  readonly layer: number;
  readonly most: number;
  /** Ends, included, of what is shown along axes that are not displayed. */
  readonly slab: Readonly<Record<string, Pair>>;
  readonly cells: readonly SampleCell[];
};
export type SampleCell = {
  readonly key: PointsKey;
  readonly count: number;
  /** Ranks between which they lie evenly. */
  readonly start: number;
  readonly stop: number;
};
export type Picked = {
  readonly type: "picked";
  readonly key: PointsKey;
  readonly index: number;
  readonly properties: Readonly<Record<string, number | string | null>>;
};
export type ServerStats = {
  readonly type: "stats";
  readonly generation: number;
  readonly settled: boolean;
  readonly wanted: number;
  readonly held: number;
  readonly failed: number;
  readonly targets: Readonly<Record<string, number>>;
  readonly bytesRead: number;
  readonly cacheBytes: number;
  readonly cacheBudget: number;
  readonly inFlight: number;
  readonly planMs: number;
  readonly loadedBytes: number;
  readonly wastedBytes: number;
};
export type ServerMessage =
  | ({ readonly type: "scene" } & Scene)
  | Brick
  | PointsPart
  | { readonly type: "sample"; readonly generation: number; readonly samples: readonly Sample[] }
  | Picked
  | { readonly type: "failed"; readonly key: WireKey; readonly reason: string }
  | ServerStats
  | { readonly type: "requests"; readonly requests: readonly RequestRecord[] }
  | ({ readonly type: "notice" } & Notice);

export const VERSION = 1;
export const BYTES_PER_VALUE: Readonly<Record<WireType, number>> = {
  uint8: 1,
  int8: 1,
  uint16: 2,
  int16: 2,
  uint32: 4,
  int32: 4,
  float32: 4,
  uint64: 8,
};

/** Null for a type that this version does not know. */
export function parseServerFrame(frame: Uint8Array): ServerMessage | null {
  const { header, payload } = decodeFrame(frame);
  switch (header.type) {
    case "scene":
      return parseScene(header);
    case "brick":
      return parseBrick(header, payload);
    case "points":
      return parsePoints(header, payload);
    case "sample":
      return {
        type: "sample",
        generation: whole(header["generation"], "generation"),
        samples: list(header["samples"], "samples").map(sample),
      };
    case "picked":
      return {
        type: "picked",
        key: pointsKey(header["key"]),
        index: whole(header["index"], "index"),
        properties: numbersAndWords(header["properties"]),
      };
    case "failed":
      return { type: "failed", key: key(header["key"]), reason: text(header["reason"], "reason") };
    case "stats":
      return parseStats(header);
    case "requests":
      return { type: "requests", requests: list(header["requests"], "requests").map(request) };
    case "notice":
      return { type: "notice", ...notice(header) };
    default:
      return null;
  }
}

function parseScene(header: Header): ServerMessage {
  if (header["version"] !== VERSION) {
    throw new ProtocolError(`The server speaks another version: ${String(header["version"])}.`);
  }
  const layers = list(header["layers"], "layers").map(layer);
  if (new Set(layers.map((one) => one.id)).size !== layers.length) {
    throw new ProtocolError("Two layers have the same id.");
  }
  return {
    type: "scene",
    layers,
    opening: whole(header["opening"], "opening"),
    notices: list(header["notices"], "notices").map(notice),
  };
}

function parseBrick(header: Header, payload: Uint8Array): Brick {
  const named = key(header["key"]);
  if (isPointsKey(named)) throw new ProtocolError("A brick has the key of points.");
  const [dimensions, most] = named.length === 6 ? [3, 64] : [2, 512];
  const shape = list(header["shape"], "shape").map((one) => whole(one, "shape"));
  if (shape.length !== dimensions || shape.some((one) => one < 1 || one > most)) {
    throw new ProtocolError(`A brick's shape is not ${dimensions} numbers from 1 to ${most}.`);
  }
  if (whole(header["bytes"], "bytes") !== payload.length) {
    throw new ProtocolError("A brick's payload is not as long as it says.");
  }
  const range = header["range"];
  return {
    type: "brick",
    generation: whole(header["generation"], "generation"),
    key: named,
    shape,
    range: range === null || range === undefined ? null : pair(range, "range"),
    provenance: text(header["provenance"], "provenance"),
    payload,
  };
}

/** Float64, so that the payload, which starts at a multiple of 8 bytes, can be used as it is. */
function parsePoints(header: Header, payload: Uint8Array): PointsPart {
  if (whole(header["bytes"], "bytes") !== payload.length) {
    throw new ProtocolError("The payload of points is not as long as it says.");
  }
  return {
    type: "points",
    generation: whole(header["generation"], "generation"),
    key: pointsKey(header["key"]),
    first: whole(header["first"], "first"),
    count: whole(header["count"], "count"),
    properties: list(header["properties"], "properties").map((one) => text(one, "properties")),
    provenance: text(header["provenance"], "provenance"),
    payload,
  };
}

function sample(value: unknown): Sample {
  const fields = record(value, "sample");
  const layer = whole(fields["layer"], "layer");
  return {
    layer,
    most: whole(fields["most"], "most"),
    slab: Object.fromEntries(
      Object.entries(record(fields["slab"], "slab")).map(([axis, ends]) => [
        axis,
        pair(ends, "slab"),
      ]),
    ),
    cells: list(fields["cells"], "cells").map((one) => sampleCell(layer, one)),
  };
}

function sampleCell(layer: number, value: unknown): SampleCell {
  const [level, cell, count, start, stop] = list(value, "cells");
  return {
    key: [layer, whole(level, "cells"), [whole(cell, "cells")]],
    count: whole(count, "cells"),
    start: number(start, "cells"),
    stop: number(stop, "cells"),
  };
}

function numbersAndWords(value: unknown): Picked["properties"] {
  const entries = Object.entries(record(value, "properties"));
  for (const [, one] of entries) {
    if (one !== null && typeof one !== "string") number(one, "properties");
  }
  return Object.fromEntries(entries) as Picked["properties"];
}

function parseStats(header: Header): ServerStats {
  return {
    type: "stats",
    // Before the first view it is -1.
    generation: number(header["generation"], "generation"),
    settled: truth(header["settled"], "settled"),
    wanted: number(header["wanted"], "wanted"),
    held: number(header["held"], "held"),
    failed: number(header["failed"], "failed"),
    targets: Object.fromEntries(
      Object.entries(record(header["targets"], "targets")).map(([id, level]) => [
        id,
        whole(level, "targets"),
      ]),
    ),
    bytesRead: number(header["bytes_read"], "bytes_read"),
    cacheBytes: number(header["cache_bytes"], "cache_bytes"),
    cacheBudget: number(header["cache_budget"], "cache_budget"),
    inFlight: number(header["in_flight"], "in_flight"),
    planMs: number(header["plan_ms"], "plan_ms"),
    loadedBytes: number(header["loaded_bytes"] ?? 0, "loaded_bytes"),
    wastedBytes: number(header["wasted_bytes"] ?? 0, "wasted_bytes"),
  };
}

function layer(value: unknown): Layer {
  const fields = record(value, "layer");
  const axes = list(fields["axes"], "axes").map(axis);
  const levels = list(fields["levels"], "levels").map((one) => level(one, axes.length));
  if (levels.length === 0) throw new ProtocolError("A layer has no levels.");
  const deeper = list(fields["deeper"] ?? [], "deeper").map((one) => level(one, axes.length));
  const samples = whole(fields["samples"], "samples");
  if (samples !== 1 && samples !== 3 && samples !== 4) {
    throw new ProtocolError("A layer's samples are not 1, 3 or 4.");
  }
  return {
    id: whole(fields["id"], "id"),
    name: text(fields["name"], "name"),
    kind: oneOf(fields["kind"], ["image", "labels", "rgb", "points"] as const, "kind"),
    dtype: oneOf(fields["dtype"], Object.keys(BYTES_PER_VALUE) as WireType[], "dtype"),
    data_dtype: text(fields["data_dtype"], "data_dtype"),
    samples,
    axes,
    levels,
    ...(deeper.length > 0 ? { deeper } : {}),
    defaults: settings(fields["defaults"]),
    range: pair(fields["range"], "range"),
    brick: brickSide(fields["brick"]),
    ...(fields["points"] === undefined ? {} : { points: pointsInfo(fields["points"]) }),
  };
}

function pointsInfo(value: unknown): NonNullable<Layer["points"]> {
  const fields = record(value, "points");
  return {
    count: number(fields["count"], "count"),
    properties: list(fields["properties"], "properties").map(property),
  };
}

function property(value: unknown): Property {
  const fields = record(value, "property");
  const range = fields["range"];
  return {
    name: text(fields["name"], "name"),
    dtype: text(fields["dtype"], "dtype"),
    range: range === null || range === undefined ? null : pair(range, "range"),
    categories: whole(fields["categories"], "categories"),
  };
}

function brickSide(value: unknown): number {
  if (value === undefined) return BRICK;
  const side = whole(value, "brick");
  if (side < 1 || side > BRICK)
    throw new ProtocolError(`A brick's side is not from 1 to ${BRICK}.`);
  return side;
}

function axis(value: unknown): Axis {
  const fields = record(value, "axis");
  const unit = fields["unit"];
  return {
    name: text(fields["name"], "name"),
    type: oneOf(fields["type"], ["space", "time", "channel", "other"] as const, "type"),
    unit: unit === null || unit === undefined ? null : text(unit, "unit"),
  };
}

function level(value: unknown, dimensions: number): Level {
  const fields = record(value, "level");
  const shape = list(fields["shape"], "shape").map((one) => whole(one, "shape"));
  const scale = list(fields["scale"], "scale").map((one) => number(one, "scale"));
  const translation = list(fields["translation"], "translation").map((one) =>
    number(one, "translation"),
  );
  if ([shape, scale, translation].some((one) => one.length !== dimensions)) {
    throw new ProtocolError("A level does not have one number per axis.");
  }
  if (shape.some((one) => one < 1) || scale.some((one) => one <= 0)) {
    throw new ProtocolError("A level's shape or scale is not positive.");
  }
  return { shape, scale, translation };
}

function settings(value: unknown): LayerSettings {
  const fields = record(value, "defaults");
  return {
    visible: truth(fields["visible"], "visible"),
    opacity: number(fields["opacity"], "opacity"),
    contrast: pair(fields["contrast"], "contrast"),
    gamma: number(fields["gamma"], "gamma"),
    colormap: text(fields["colormap"], "colormap"),
    blending: oneOf(
      fields["blending"],
      ["translucent", "additive", "opaque", "minimum"] as const,
      "blending",
    ),
    ...pointsSettings(fields),
  };
}

/** What only points have; of other layers nothing is said. */
function pointsSettings(fields: Readonly<Record<string, unknown>>): Partial<LayerSettings> {
  if (fields["size"] === undefined) return {};
  return {
    size: number(fields["size"], "size"),
    unit: oneOf(fields["unit"], ["screen", "world"] as const, "unit"),
    colour: text(fields["colour"], "colour"),
    colourBy: text(fields["colour_by"] ?? "", "colour_by"),
    sizeBy: text(fields["size_by"] ?? "", "size_by"),
    thickness: Object.fromEntries(
      Object.entries(record(fields["thickness"] ?? {}, "thickness")).map(([axis, length]) => [
        axis,
        number(length, "thickness"),
      ]),
    ),
  };
}

function notice(value: unknown): Notice {
  const fields = record(value, "notice");
  return {
    severity: oneOf(fields["severity"], ["info", "warning", "error"] as const, "severity"),
    text: text(fields["text"], "text"),
  };
}

function request(value: unknown): RequestRecord {
  const fields = record(value, "request");
  return {
    layer: fields["layer"] === null ? null : whole(fields["layer"], "layer"),
    level: whole(fields["level"], "level"),
    grid: list(fields["grid"], "grid").map((one) => whole(one, "grid")),
    agoMs: number(fields["ago"], "ago"),
    tookMs: number(fields["took"], "took"),
    bytes: number(fields["bytes"], "bytes"),
    provenance: text(fields["provenance"], "provenance"),
    end: text(fields["end"], "end"),
  };
}

function key(value: unknown): WireKey {
  const [layer, level, slice, ...places] = list(value, "key");
  const where = list(slice, "key").map((one) => whole(one, "key"));
  const [first, second, third, ...rest] = places.map((one) => whole(one, "key"));
  const start = [whole(layer, "key"), whole(level, "key"), where] as const;
  if (first === undefined && where.length === 1) return start;
  if (first === undefined || second === undefined || rest.length > 0) {
    throw new ProtocolError("A key does not have three, five or six parts.");
  }
  return third === undefined ? [...start, first, second] : [...start, first, second, third];
}

function pointsKey(value: unknown): PointsKey {
  const named = key(value);
  if (!isPointsKey(named)) throw new ProtocolError("A key is not one of points.");
  return named;
}

function pair(value: unknown, name: string): Pair {
  const [first, second, ...rest] = list(value, name);
  if (rest.length > 0) throw new ProtocolError(`\`${name}\` is not two numbers.`);
  return [number(first, name), number(second, name)];
}

function oneOf<T extends string>(value: unknown, choices: readonly T[], name: string): T {
  const found = choices.find((choice) => choice === value);
  if (found === undefined) throw new ProtocolError(`\`${name}\` is none of ${choices.join(", ")}.`);
  return found;
}

function record(value: unknown, name: string): Readonly<Record<string, unknown>> {
  if (typeof value !== "object" || value === null || Array.isArray(value)) {
    throw new ProtocolError(`\`${name}\` is not an object.`);
  }
  return value as Readonly<Record<string, unknown>>;
}

function list(value: unknown, name: string): readonly unknown[] {
  if (!Array.isArray(value)) throw new ProtocolError(`\`${name}\` is not a list.`);
  return value;
}

function number(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isFinite(value)) {
    throw new ProtocolError(`\`${name}\` is not a number.`);
  }
  return value;
}

function whole(value: unknown, name: string): number {
  if (typeof value !== "number" || !Number.isSafeInteger(value) || value < 0) {
    throw new ProtocolError(`\`${name}\` is not a whole number.`);
  }
  return value;
}

function truth(value: unknown, name: string): boolean {
  if (typeof value !== "boolean") throw new ProtocolError(`\`${name}\` is not true or false.`);
  return value;
}

function text(value: unknown, name: string): string {
  if (typeof value !== "string") throw new ProtocolError(`\`${name}\` is not a string.`);
  return value;
}
