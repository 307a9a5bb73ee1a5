/** Where all of a layout lies in a given area, and what lies under the pointer. Pure. */
import { clamp } from "../../numbers.ts";
import {
  allTabs,
  IMAGE,
  type Layout,
  type Part,
  type Rect,
  type Side,
  type Tabs,
} from "./layout.ts";

export const HEADER = 30;
/** Between two windows. */
export const EDGE = 6;
/** Of a float that stays within reach. */
const IN_REACH = 60;
/** Areas narrower than this show one window at a time. */
export const NARROW = 560;

export type Size = { readonly width: number; readonly height: number };
/** Tabs that are on the screen. */
export type Group = {
  readonly id: string;
  readonly windows: readonly string[];
  readonly active: string;
  readonly place: Rect;
  /** The canvas alone has none. */
  readonly hasHeader: boolean;
  readonly isFloating: boolean;
  /** Of the front one the highest. */
  readonly level: number;
};
export type Edge = {
  readonly split: string;
  readonly at: number;
  readonly direction: "row" | "column";
  readonly place: Rect;
  /** Pixels that its split shares out. */
  readonly length: number;
};
export type Arrangement = {
  readonly groups: readonly Group[];
  readonly edges: readonly Edge[];
  readonly area: Size;
};

/** `isThere`: whether a window is open; one that is not takes no room. */
export function arranged(
  layout: Layout,
  area: Size,
  isThere: (window: string) => boolean,
): Arrangement {
  const whole: Rect = { left: 0, top: 0, ...area };
  const there = (tabs: Tabs) => tabs.windows.filter((one) => one === IMAGE || isThere(one));
  const { maximised } = layout;
  if (maximised !== null && (maximised === IMAGE || isThere(maximised))) {
    const group = groupOf(IMAGE, [maximised], maximised, whole, false, 0);
    return {
      groups: [{ ...group, id: `maximised ${maximised}`, hasHeader: true }],
      edges: [],
      area,
    };
  }
  const floats = layout.floats.filter(({ tabs }) => there(tabs).length > 0);
  if (area.width < NARROW) return { groups: [oneAtATime(layout, whole, there)], edges: [], area };
  const groups: Group[] = [];
  const edges: Edge[] = [];
  placePart(layout.root, whole, there, groups, edges);
  floats.forEach(({ tabs, place }, i) => {
    const windows = there(tabs);
    const within = withinReach(place, area);
    groups.push(groupOf(tabs.id, windows, tabs.active, within, true, i + 1));
  });
  return { groups, edges, area };
}

/** Where the content of a group's front window lies. */
export function contentOf({ place, hasHeader }: Group): Rect {
  if (!hasHeader) return place;
  const height = Math.max(0, place.height - HEADER);
  return { ...place, top: place.top + HEADER, height };
}

export type Drop = {
  readonly tabs: string;
  readonly side: Side;
  /** What it would cover. */
  readonly preview: Rect;
};

/** Where a dragged window would go; null: it floats. */
export function dropAt({ groups }: Arrangement, x: number, y: number): Drop | null {
  const isIn = ({ left, top, width, height }: Rect) =>
    x >= left && x < left + width && y >= top && y < top + height;
  const group = groups.toSorted((a, b) => b.level - a.level).find(({ place }) => isIn(place));
  if (!group) return null;
  const { id: tabs, place, hasHeader, isFloating } = group;
  if (hasHeader && y < place.top + HEADER) return { tabs, side: "middle", preview: place };
  if (isFloating) return { tabs, side: "middle", preview: place };
  const across = (x - place.left) / place.width;
  const down = (y - place.top) / place.height;
  const sides: readonly (readonly [number, Side])[] = [
    [across, "left"],
    [1 - across, "right"],
    [down, "top"],
    [1 - down, "bottom"],
  ];
  const [distance, side] = sides.reduce((a, b) => (b[0] < a[0] ? b : a));
  if (distance < 0.28) return { tabs, side, preview: half(place, side) };
  // What is dropped on the middle of the canvas floats above it.
  return hasHeader ? { tabs, side: "middle", preview: place } : null;
}

function placePart(
  part: Part,
  place: Rect,
  there: (tabs: Tabs) => readonly string[],
  groups: Group[],
  edges: Edge[],
): void {
  if (part.kind === "tabs") {
    const windows = there(part);
    if (windows.length > 0) groups.push(groupOf(part.id, windows, part.active, place, false, 0));
    return;
  }
  const isFull = (one: Part): boolean =>
    one.kind === "tabs" ? there(one).length > 0 : one.parts.some(isFull);
  const full = part.parts.flatMap((one, i) => (isFull(one) ? [{ one, i }] : []));
  const isRow = part.direction === "row";
  const room = (isRow ? place.width : place.height) - EDGE * (full.length - 1);
  const length = Math.max(0, room);
  const sum = full.reduce((all, { i }) => all + (part.shares[i] ?? 0), 0);
  let start = isRow ? place.left : place.top;
  full.forEach(({ one, i }, nth) => {
    const share = (part.shares[i] ?? 0) / sum;
    const end = start + length * share;
    const [low, high] = [Math.round(start), Math.round(end)];
    const own = isRow
      ? { ...place, left: low, width: high - low }
      : { ...place, top: low, height: high - low };
    placePart(one, own, there, groups, edges);
    if (nth < full.length - 1) {
      const edge = isRow
        ? { ...place, left: high, width: EDGE }
        : { ...place, top: high, height: EDGE };
      edges.push({ split: part.id, at: i, direction: part.direction, place: edge, length });
    }
    start = end + EDGE;
  });
}

/** In a narrow area all windows are tabs of one place. */
function oneAtATime(layout: Layout, whole: Rect, there: (tabs: Tabs) => readonly string[]): Group {
  const windows = allTabs(layout).flatMap(there);
  return groupOf("all", windows, layout.front, whole, false, 0);
}

function groupOf(
  id: string,
  windows: readonly string[],
  active: string,
  place: Rect,
  isFloating: boolean,
  level: number,
): Group {
  const front = windows.includes(active) ? active : (windows[0] ?? "");
  const hasHeader = windows.length > 1 || windows[0] !== IMAGE;
  return { id, windows, active: front, place, hasHeader, isFloating, level };
}

function withinReach(place: Rect, area: Size): Rect {
  const width = Math.min(place.width, area.width);
  const height = Math.min(place.height, area.height);
  return {
    width,
    height,
    left: clamp(place.left, IN_REACH - width, Math.max(0, area.width - IN_REACH)),
    top: clamp(place.top, 0, Math.max(0, area.height - HEADER)),
  };
}

function half(place: Rect, side: Side): Rect {
  const { left, top, width, height } = place;
  switch (side) {
    case "left":
      return { ...place, width: width / 2 };
    case "right":
      return { ...place, left: left + width / 2, width: width / 2 };
    case "top":
      return { ...place, height: height / 2 };
    case "bottom":
      return { ...place, top: top + height / 2, height: height / 2 };
    default:
      return place;
  }
}
