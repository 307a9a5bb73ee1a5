/** The layout of windows, and what was run to have them, kept over a reload of the page. Read with suspicion. */
import { IMAGE, type Layout, type Part, type Rect, tabsOf } from "./layout.ts";

type KeyStorage = Pick<Storage, "getItem" | "setItem">;

/** Something that a user has run and that has windows. */
export type Rerun = { readonly source: string; readonly title: string; readonly context: unknown };
export type Kept = { readonly layout: Layout; readonly runs: readonly Rerun[] };

const KEY = "opsin.windows";
const DEEPEST = 12;

export class WindowMemory {
  readonly #storage: () => KeyStorage;

  /** `storage`: asked for at each use, since a browser may refuse to give it. */
  constructor(storage: () => KeyStorage) {
    this.#storage = storage;
  }

  recall(): Kept | null {
    try {
      return keptOf(JSON.parse(this.#storage().getItem(KEY) ?? "null"));
    } catch {
      return null;
    }
  }

  keep(kept: Kept): void {
    try {
      const runs = kept.runs.map((run) => ({ ...run, context: withoutData(run.context) }));
      this.#storage().setItem(KEY, JSON.stringify({ ...kept, runs }));
    } catch {
      // Then a reload begins with the canvas alone.
    }
  }
}

/** Files that a plugin was given are gone with the page. */
function withoutData(context: unknown): unknown {
  const { data: _, ...kept } = fieldsOf(context);
  return kept;
}

export function keptOf(value: unknown): Kept | null {
  const { layout, runs } = fieldsOf(value);
  const checked = layoutOf(layout);
  if (!checked || !Array.isArray(runs)) return null;
  const good = runs.flatMap((run: unknown) => {
    const { source, title, context } = fieldsOf(run);
    return typeof source === "string" && typeof title === "string"
      ? [{ source, title, context }]
      : [];
  });
  return { layout: checked, runs: good };
}

/** Null where it is none, or one without the canvas, or one that names a window twice. */
export function layoutOf(value: unknown): Layout | null {
  const { root, floats, maximised, front } = fieldsOf(value);
  const part = partOf(root, 0);
  if (!part || !Array.isArray(floats) || typeof front !== "string") return null;
  const checked = floats.map((float: unknown) => {
    const { tabs, place } = fieldsOf(float);
    const [own, rect] = [partOf(tabs, 0), rectOf(place)];
    return own?.kind === "tabs" && rect ? { tabs: own, place: rect } : null;
  });
  if (!checked.every((float) => float !== null)) return null;
  const groups = [...tabsOf(part), ...checked.map(({ tabs }) => tabs)];
  const windows = groups.flatMap((tabs) => tabs.windows);
  const isSound =
    tabsOf(part).some((tabs) => tabs.windows.includes(IMAGE)) &&
    new Set(windows).size === windows.length &&
    new Set(groups.map(({ id }) => id)).size === groups.length;
  if (!isSound) return null;
  const isMaximised = typeof maximised === "string" && windows.includes(maximised);
  return { root: part, floats: checked, maximised: isMaximised ? maximised : null, front };
}

function partOf(value: unknown, depth: number): Part | null {
  const fields = fieldsOf(value);
  const { kind, id, windows, active, direction } = fields;
  if (typeof id !== "string" || depth > DEEPEST) return null;
  if (kind === "tabs") {
    const isSound =
      Array.isArray(windows) &&
      windows.length > 0 &&
      windows.every((window) => typeof window === "string") &&
      typeof active === "string" &&
      windows.includes(active);
    return isSound ? { kind, id, windows, active } : null;
  }
  const { parts, shares } = fields;
  if (kind !== "split" || !Array.isArray(parts) || !Array.isArray(shares)) return null;
  if (direction !== "row" && direction !== "column") return null;
  const checked = parts.map((part: unknown) => partOf(part, depth + 1));
  const isSound =
    parts.length > 1 &&
    shares.length === parts.length &&
    shares.every((share) => typeof share === "number" && share > 0 && share < 1) &&
    Math.abs(shares.reduce((sum, share) => sum + share, 0) - 1) < 0.01;
  if (!isSound || !checked.every((part) => part !== null)) return null;
  return { kind, id, direction, parts: checked, shares };
}

function rectOf(value: unknown): Rect | null {
  const { left, top, width, height } = fieldsOf(value);
  const isSize = (one: unknown): one is number => typeof one === "number" && Number.isFinite(one);
  if (!isSize(left) || !isSize(top) || !isSize(width) || !isSize(height)) return null;
  return width > 0 && height > 0 ? { left, top, width, height } : null;
}

function fieldsOf(value: unknown): Readonly<Record<string, unknown>> {
  return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : {};
}
