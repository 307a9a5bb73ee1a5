/** Where a window that is opened goes. Pure. */
import { clamp } from "../../numbers.ts";
import type { Size } from "./arrangement.ts";
import {
  docked,
  IMAGE,
  type Layout,
  maximised,
  type Rect,
  shown,
  tabsOf,
  tabsWith,
} from "./layout.ts";

/** Of ImJoy's grid, in pixels. */
export const UNIT = 30;
const WIDTH = 20;
const HEIGHT = 10;

/** What is known of it; w and h in units. */
export type Wish = {
  readonly w: number | null;
  readonly h: number | null;
  readonly fullscreen: boolean;
};

/** `isTool`: of what one works with while plugins show something (an editor, a log). */
export function opened(
  layout: Layout,
  window: string,
  wish: Wish,
  area: Size,
  isTool: (window: string) => boolean = () => false,
): Layout {
  const placed = tabsWith(layout, window)
    ? shown(layout, window)
    : besideImage(layout, window, wish, area, isTool);
  return wish.fullscreen ? maximised(placed, window) : placed;
}

/** With the other windows, if there are some, above a tool; else on the longer side of the canvas. */
function besideImage(
  layout: Layout,
  window: string,
  wish: Wish,
  area: Size,
  isTool: (window: string) => boolean,
): Layout {
  const others = tabsOf(layout.root).filter(({ windows }) => !windows.includes(IMAGE));
  const hidesNoTool = others.filter(({ windows }) => isTool(window) || !windows.some(isTool));
  const latest =
    hidesNoTool.find(({ windows }) => windows.includes(layout.front)) ?? hidesNoTool[0];
  if (latest) return docked(layout, window, latest.id, "middle");
  const [tools] = others;
  if (tools) return docked(layout, window, tools.id, "top");
  const image = tabsWith(layout, IMAGE)?.id ?? IMAGE;
  const isWide = area.width >= 1.1 * area.height;
  const share = isWide
    ? clamp(((wish.w ?? WIDTH) * UNIT) / Math.max(area.width, 1), 0.25, 0.5)
    : clamp(((wish.h ?? HEIGHT) * UNIT) / Math.max(area.height, 1), 0.35, 0.6);
  return docked(layout, window, image, isWide ? "right" : "bottom", share);
}

/** Where a window floats if nobody has said: of its own size, towards the upper right. */
export function floatPlace(wish: Pick<Wish, "w" | "h">, area: Size, nth: number): Rect {
  const width = Math.min((wish.w ?? WIDTH) * UNIT, Math.max(240, area.width * 0.6));
  const height = Math.min((wish.h ?? HEIGHT) * UNIT + 60, Math.max(180, area.height * 0.7));
  const step = (nth % 6) * 24;
  return {
    width,
    height,
    left: Math.max(0, area.width - width - 56 - step),
    top: Math.min(64 + step, Math.max(0, area.height - height)),
  };
}
