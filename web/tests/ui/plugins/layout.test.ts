import { describe, expect, it } from "vitest";
import {
  arranged,
  contentOf,
  dropAt,
  HEADER,
} from "../../../src/ui/plugins/windows/arrangement.ts";
import {
  allTabs,
  docked,
  floating,
  IMAGE,
  isFloating,
  type Layout,
  maximised,
  type Rect,
  resized,
  type Side,
  START,
  shown,
  tabsWith,
  without,
} from "../../../src/ui/plugins/windows/layout.ts";
import { layoutOf } from "../../../src/ui/plugins/windows/memory.ts";
import { opened } from "../../../src/ui/plugins/windows/opening.ts";
import { random as randomNumbers } from "../../viewer/random.ts";

const AREA = { width: 1000, height: 600 };
const FLOAT: Rect = { left: 100, top: 100, width: 300, height: 200 };
const WISH = { w: null, h: null, fullscreen: false };
const all = () => true;

function windowsOf(layout: Layout): readonly string[] {
  return allTabs(layout).flatMap(({ windows }) => windows);
}

function placeOf(layout: Layout, window: string): Rect | undefined {
  return arranged(layout, AREA, all).groups.find(({ windows }) => windows.includes(window))?.place;
}

describe("a layout", () => {
  it("begins with the canvas, which has all of the area and no header", () => {
    const { groups, edges } = arranged(START, AREA, all);
    expect(groups.map(contentOf)).toEqual([{ left: 0, top: 0, ...AREA }]);
    expect(edges).toEqual([]);
  });

  it("puts the first window on the longer side, and the next into tabs with it", () => {
    const one = opened(START, "a", WISH, AREA);
    expect(placeOf(one, "a")?.left).toBe(503);
    const two = opened(one, "b", WISH, AREA);
    expect(tabsWith(two, "b")?.windows).toEqual(["a", "b"]);
    expect(tabsWith(two, "b")?.active).toBe("b");
    const tall = opened(START, "a", WISH, { width: 500, height: 900 });
    expect(arranged(tall, { width: 500, height: 900 }, all).groups).toHaveLength(1);
    expect(tall.root).toMatchObject({ direction: "column" });
  });

  it("puts windows of plugins above what one works with, and that into tabs with them", () => {
    const isTool = (window: string) => window === "log";
    const log = opened(START, "log", WISH, AREA, isTool);
    const both = opened(log, "a", WISH, AREA, isTool);
    expect(placeOf(both, "a")?.top).toBe(0);
    expect(placeOf(both, "log")?.top).toBe(303);
    const after = opened(opened(START, "a", WISH, AREA, isTool), "log", WISH, AREA, isTool);
    expect(tabsWith(after, "log")?.windows).toEqual(["a", "log"]);
  });

  it("gives a window its place again, however it was closed", () => {
    const floats = floating(opened(START, "a", WISH, AREA), "a", FLOAT);
    const gone = arranged(floats, AREA, () => false);
    expect(gone.groups.map(({ place }) => place)).toEqual([{ left: 0, top: 0, ...AREA }]);
    expect(placeOf(opened(floats, "a", WISH, AREA), "a")).toEqual(FLOAT);
  });

  it("docks on each side of any tabs", () => {
    const sides: readonly Side[] = ["left", "right", "top", "bottom"];
    for (const side of sides) {
      const layout = docked(START, "a", IMAGE, side, 0.25);
      const place = placeOf(layout, "a");
      const length = side === "left" || side === "right" ? place?.width : place?.height;
      const whole = side === "left" || side === "right" ? AREA.width : AREA.height;
      expect(Math.abs((length ?? 0) - (whole - 6) * 0.25), side).toBeLessThanOrEqual(1);
    }
  });

  it("never loses a window, names one twice, or forgets the canvas", () => {
    const random = randomNumbers(7);
    const sides: readonly Side[] = ["left", "right", "top", "bottom", "middle"];
    const pick = <T>(items: readonly T[]): T => items[Math.floor(random() * items.length)] as T;
    let layout = START;
    const open = new Set<string>();
    for (let step = 0; step < 3000; step++) {
      const name = `w${Math.floor(random() * 6)}`;
      const target = pick(allTabs(layout)).id;
      const deed = Math.floor(random() * 8);
      if (deed < 3) layout = docked(layout, name, target, pick(sides));
      else if (deed === 3) layout = floating(layout, name, FLOAT);
      else if (deed === 4) layout = without(layout, name);
      else if (deed === 5) layout = maximised(layout, pick([null, ...open]));
      else if (deed === 6) layout = opened(layout, name, WISH, AREA);
      else if (layout.root.kind === "split") {
        layout = resized(layout, layout.root.id, 0, random() - 0.5);
      }
      if (deed === 4) open.delete(name);
      else if (deed < 4 || deed === 6) open.add(name);
      expect(windowsOf(layout).toSorted()).toEqual([IMAGE, ...open].toSorted());
      expect(layoutOf(JSON.parse(JSON.stringify(layout)))).toEqual(layout);
      const { groups } = arranged({ ...layout, maximised: null }, AREA, all);
      const docks = groups.filter((group) => !group.isFloating);
      const covered = docks.reduce((sum, { place }) => sum + place.width * place.height, 0);
      expect(covered).toBeLessThanOrEqual(AREA.width * AREA.height);
      expect(docks.every(({ place }) => place.width >= 0 && place.height >= 0)).toBe(true);
    }
  });

  it("shows one window at a time where it is narrow: the one that was shown last", () => {
    const layout = floating(opened(START, "a", WISH, AREA), "b", FLOAT);
    const narrow = arranged(shown(layout, "a"), { width: 390, height: 700 }, all);
    expect(narrow.groups.map(({ windows, active }) => [windows, active])).toEqual([
      [[IMAGE, "a", "b"], "a"],
    ]);
  });

  it("covers all with a maximised window until it is gone", () => {
    const layout = maximised(opened(START, "a", WISH, AREA), "a");
    expect(arranged(layout, AREA, all).groups).toMatchObject([
      { windows: ["a"], place: { left: 0, top: 0, ...AREA }, hasHeader: true },
    ]);
    expect(without(layout, "a").maximised).toBeNull();
  });

  it("cannot have the canvas float", () => {
    expect(isFloating(floating(START, IMAGE, FLOAT), IMAGE)).toBe(false);
  });
});

describe("what is dragged", () => {
  const layout = floating(opened(START, "a", WISH, AREA), "b", FLOAT);
  const arrangement = arranged(layout, AREA, all);

  it("goes beside what is near a side, and floats over the middle of the canvas", () => {
    expect(dropAt(arrangement, 5, 400)).toMatchObject({ tabs: IMAGE, side: "left" });
    expect(dropAt(arrangement, 250, 595)).toMatchObject({ tabs: IMAGE, side: "bottom" });
    expect(dropAt(arrangement, 250, 350)).toBeNull();
  });

  it("goes to the tabs under the pointer, of floats first", () => {
    const tabs = tabsWith(layout, "a")?.id;
    expect(dropAt(arrangement, 700, HEADER / 2)).toMatchObject({ tabs, side: "middle" });
    expect(dropAt(arrangement, 750, 300)).toMatchObject({ tabs, side: "middle" });
    expect(dropAt(arrangement, 150, 150)).toMatchObject({
      tabs: tabsWith(layout, "b")?.id,
      side: "middle",
    });
  });

  it("goes nowhere outside", () => {
    expect(dropAt(arrangement, -5, 20)).toBeNull();
  });
});

describe("a layout that was kept", () => {
  const tabs = { kind: "tabs", id: "image", windows: ["image"], active: "image" };
  const good = { root: tabs, floats: [], maximised: null, front: "image" };

  it.each([
    null,
    [],
    "x",
    {},
    { ...good, root: { ...tabs, windows: [] } },
    { ...good, root: { ...tabs, windows: ["a"], active: "a" } },
    { ...good, root: { ...tabs, windows: ["image", "image"] } },
    { ...good, root: { ...tabs, active: "b" } },
    { ...good, floats: [{ tabs, place: FLOAT }] },
    { ...good, floats: [{ tabs: { ...tabs, id: "b", windows: ["b"], active: "b" }, place: {} }] },
    { ...good, front: 3 },
    { ...good, root: { kind: "split", id: "s", direction: "row", parts: [tabs], shares: [1] } },
    { ...good, root: { kind: "split", id: "s", direction: "up", parts: [tabs, tabs], shares: [] } },
  ])("is refused where it is none: %j", (value) => {
    expect(layoutOf(value)).toBeNull();
  });

  it("is taken where it is one", () => {
    expect(layoutOf(good)).toEqual(START);
    expect(layoutOf({ ...good, maximised: "gone" })?.maximised).toBeNull();
  });
});
