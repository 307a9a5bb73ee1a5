/**
 * How windows are laid out: a tree of splits with tabs at its leaves, and tabs that float above. Pure.
 *
 * Windows are known by keys that a plugin's window has again after a reload; a layout may name keys of windows that
 * are not there (yet), which have their place when they come.
 */

/** The canvas, which is always there. */
export const IMAGE = "image";

export type Rect = {
  readonly left: number;
  readonly top: number;
  readonly width: number;
  readonly height: number;
};
export type Tabs = {
  readonly kind: "tabs";
  readonly id: string;
  readonly windows: readonly string[];
  readonly active: string;
};
export type Split = {
  readonly kind: "split";
  readonly id: string;
  readonly direction: "row" | "column";
  readonly parts: readonly Part[];
  /** Of the length, together 1. */
  readonly shares: readonly number[];
};
export type Part = Tabs | Split;
export type Float = { readonly tabs: Tabs; readonly place: Rect };
export type Layout = {
  readonly root: Part;
  /** The front one last. */
  readonly floats: readonly Float[];
  /** The window that covers all others. */
  readonly maximised: string | null;
  /** The window that was shown last: the only one where there is room for one. */
  readonly front: string;
};
export type Side = "left" | "right" | "top" | "bottom" | "middle";

export const START: Layout = {
  root: { kind: "tabs", id: IMAGE, windows: [IMAGE], active: IMAGE },
  floats: [],
  maximised: null,
  front: IMAGE,
};

export function tabsOf(part: Part): readonly Tabs[] {
  return part.kind === "tabs" ? [part] : part.parts.flatMap(tabsOf);
}

export function allTabs({ root, floats }: Layout): readonly Tabs[] {
  return [...tabsOf(root), ...floats.map(({ tabs }) => tabs)];
}

export function tabsWith(layout: Layout, window: string): Tabs | null {
  return allTabs(layout).find(({ windows }) => windows.includes(window)) ?? null;
}

export function isFloating({ floats }: Layout, window: string): boolean {
  return floats.some(({ tabs }) => tabs.windows.includes(window));
}

/** Show a window: its tab in front, and its float before others. */
export function shown(layout: Layout, window: string): Layout {
  const tabs = tabsWith(layout, window);
  if (!tabs) return layout;
  const next = changed(layout, tabs.id, (found) => ({ ...found, active: window }));
  const front = next.floats.find((float) => float.tabs.id === tabs.id);
  const others = next.floats.filter((float) => float !== front);
  const maximised = next.maximised === null ? null : window === next.maximised ? window : null;
  return { ...next, floats: front ? [...others, front] : next.floats, maximised, front: window };
}

export function without(layout: Layout, window: string): Layout {
  const isFull = (tabs: Tabs) => tabs.windows.length > 0;
  const floats = layout.floats
    .map((float) => ({ ...float, tabs: withoutTab(float.tabs, window) }))
    .filter(({ tabs }) => isFull(tabs));
  const maximised = layout.maximised === window ? null : layout.maximised;
  const front = layout.front === window ? IMAGE : layout.front;
  return { root: pruned(layout.root, window) ?? START.root, floats, maximised, front };
}

/** Put a window beside others or, in the middle, in front of them. `share`: of their room that it takes. */
export function docked(
  layout: Layout,
  window: string,
  target: string,
  side: Side,
  share = 0.5,
): Layout {
  const own = tabsWith(layout, window);
  // Beside itself, where it is alone, it is already.
  if (own?.id === target && own.windows.length === 1) return layout;
  const rest = { ...without(layout, window), front: window };
  if (!allTabs(rest).some(({ id }) => id === target)) return layout;
  if (side === "middle") {
    return changed(rest, target, (tabs) => ({
      ...tabs,
      windows: [...tabs.windows, window],
      active: window,
    }));
  }
  const added: Tabs = { kind: "tabs", id: tabsId(rest), windows: [window], active: window };
  // A float is one place with tabs: what is put beside it joins it.
  if (rest.floats.some(({ tabs }) => tabs.id === target)) {
    return docked(layout, window, target, "middle");
  }
  return { ...rest, root: besideTabs(rest.root, target, added, side, share) };
}

export function floating(layout: Layout, window: string, place: Rect): Layout {
  if (window === IMAGE) return layout;
  const own = tabsWith(layout, window);
  const rest = without(layout, window);
  const id = own?.windows.length === 1 && isFloating(layout, window) ? own.id : tabsId(rest);
  const tabs: Tabs = { kind: "tabs", id, windows: [window], active: window };
  return { ...rest, floats: [...rest.floats, { tabs, place }], front: window };
}

export function moved(layout: Layout, tabs: string, place: Rect): Layout {
  const floats = layout.floats.map((float) =>
    float.tabs.id === tabs ? { ...float, place } : float,
  );
  return { ...layout, floats };
}

export function maximised(layout: Layout, window: string | null): Layout {
  return window === null
    ? { ...layout, maximised: null }
    : { ...shown(layout, window), maximised: window };
}

/** Move the edge between a split's parts `at` and `at + 1` by a share of its length. */
export function resized(layout: Layout, split: string, at: number, by: number): Layout {
  const change = (part: Part): Part => {
    if (part.kind === "tabs") return part;
    if (part.id !== split) return { ...part, parts: part.parts.map(change) };
    const [one = 0, other = 0] = part.shares.slice(at, at + 2);
    const least = Math.min(0.05, one, other);
    const step = Math.min(Math.max(by, least - one), other - least);
    const shares = part.shares.map((share, i) =>
      i === at ? share + step : i === at + 1 ? share - step : share,
    );
    return { ...part, shares };
  };
  return { ...layout, root: change(layout.root) };
}

function changed(layout: Layout, id: string, change: (tabs: Tabs) => Tabs): Layout {
  const inPart = (part: Part): Part => {
    if (part.kind === "split") return { ...part, parts: part.parts.map(inPart) };
    return part.id === id ? change(part) : part;
  };
  const floats = layout.floats.map((float) =>
    float.tabs.id === id ? { ...float, tabs: change(float.tabs) } : float,
  );
  return { ...layout, root: inPart(layout.root), floats };
}

function withoutTab(tabs: Tabs, window: string): Tabs {
  const at = tabs.windows.indexOf(window);
  if (at < 0) return tabs;
  const windows = tabs.windows.filter((one) => one !== window);
  const active = tabs.active === window ? (windows[Math.max(0, at - 1)] ?? "") : tabs.active;
  return { ...tabs, windows, active };
}

/** Null: nothing is left. */
function pruned(part: Part, window: string): Part | null {
  if (part.kind === "tabs") {
    const rest = withoutTab(part, window);
    return rest.windows.length > 0 ? rest : null;
  }
  const parts: Part[] = [];
  const shares: number[] = [];
  part.parts.forEach((one, i) => {
    const rest = pruned(one, window);
    if (!rest) return;
    parts.push(rest);
    shares.push(part.shares[i] ?? 0);
  });
  const [only, ...more] = parts;
  if (!only || more.length === 0) return only ?? null;
  const sum = shares.reduce((all, share) => all + share, 0);
  return { ...part, parts, shares: shares.map((share) => share / sum) };
}

function besideTabs(part: Part, target: string, added: Tabs, side: Side, share: number): Part {
  const direction = side === "left" || side === "right" ? "row" : "column";
  const isBefore = side === "left" || side === "top";
  if (part.kind === "tabs") {
    if (part.id !== target) return part;
    const parts = isBefore ? [added, part] : [part, added];
    const shares = isBefore ? [share, 1 - share] : [1 - share, share];
    return { kind: "split", id: `split of ${added.id}`, direction, parts, shares };
  }
  const at = part.parts.findIndex((one) => one.kind === "tabs" && one.id === target);
  if (at < 0 || part.direction !== direction) {
    const parts = part.parts.map((one) => besideTabs(one, target, added, side, share));
    return { ...part, parts };
  }
  const room = part.shares[at] ?? 0;
  const parts = part.parts.toSpliced(isBefore ? at : at + 1, 0, added);
  const split = isBefore ? [room * share, room * (1 - share)] : [room * (1 - share), room * share];
  return { ...part, parts, shares: part.shares.toSpliced(at, 1, ...split) };
}

function tabsId(layout: Layout): string {
  const taken = new Set(allTabs(layout).map(({ id }) => id));
  let n = 1;
  while (taken.has(`tabs ${n}`)) n += 1;
  return `tabs ${n}`;
}
