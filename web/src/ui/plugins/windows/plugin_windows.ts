/** The windows of plugins that are open, and how they are laid out around the canvas. */
import { batch, computed, type ReadonlySignal, signal } from "@preact/signals";
import { type Arrangement, arranged, contentOf, type Drop, type Size } from "./arrangement.ts";
import {
  docked,
  floating,
  IMAGE,
  isFloating,
  type Layout,
  maximised,
  moved,
  type Rect,
  resized,
  type Side,
  START,
  shown,
  tabsWith,
  without,
} from "./layout.ts";
import { floatPlace, opened, UNIT, type Wish } from "./opening.ts";

export type WindowSpec = Wish & {
  /** Of the plugin: a window of the same name is found again in a layout that was kept. */
  readonly name: string;
  readonly title: string;
  readonly isDialog: boolean;
  /** One works with it while plugins show something: it is not covered by them. */
  readonly isTool?: boolean;
};

export type Listener = {
  /** Its user has closed it; what is in it may say goodbye. Gone when that is done, or after a moment. */
  readonly closed: () => Promise<unknown>;
  readonly focused: () => void;
};

export type OpenWindow = {
  readonly key: string;
  readonly spec: WindowSpec;
  /** What it shows; never moved to elsewhere in the document, because iframes load anew when they are. */
  readonly element: HTMLElement;
  readonly listener: Listener;
  readonly isHidden: boolean;
};

export type Drag = {
  readonly window: string;
  readonly x: number;
  readonly y: number;
  readonly drop: Drop | null;
};

const GOODBYE_MS = 800;

export class PluginWindows {
  readonly #layout = signal<Layout>(START);
  readonly #open = signal<readonly OpenWindow[]>([]);
  readonly area = signal<Size>({ width: 0, height: 0 });
  /** A tab that is being dragged. */
  readonly drag = signal<Drag | null>(null);

  readonly arrangement: ReadonlySignal<Arrangement> = computed(() =>
    arranged(this.#layout.value, this.area.value, (key) => this.#isThere(key)),
  );
  /** Where the canvas is; null: nowhere to be seen. */
  readonly image: ReadonlySignal<Rect | null> = computed(() => {
    const group = this.arrangement.value.groups.find(({ active }) => active === IMAGE);
    return group ? contentOf(group) : null;
  });

  constructor(layout: Layout | null) {
    if (layout) this.#layout.value = layout;
  }

  get layout(): ReadonlySignal<Layout> {
    return this.#layout;
  }

  /** In the order in which they were opened. */
  get open(): ReadonlySignal<readonly OpenWindow[]> {
    return this.#open;
  }

  /** Open a window that is empty yet. */
  add(spec: WindowSpec, listener: Listener): OpenWindow {
    const element = document.createElement("div");
    element.className = "window-body";
    const opening = { key: this.#keyFor(spec.name), spec, element, listener, isHidden: false };
    batch(() => {
      this.#open.value = [...this.#open.peek(), opening];
      if (!spec.isDialog) {
        this.#layout.value = this.#opened(this.#layout.peek(), opening.key, spec);
      }
    });
    return opening;
  }

  find(key: string): OpenWindow | null {
    return this.#open.value.find((one) => one.key === key) ?? null;
  }

  show(key: string): void {
    this.setHidden(key, false);
    this.#layout.value = shown(this.#layout.peek(), key);
    this.find(key)?.listener.focused();
  }

  setHidden(key: string, isHidden: boolean): void {
    const open = this.#open.peek();
    if (open.some((one) => one.key === key && one.isHidden !== isHidden)) {
      this.#open.value = open.map((one) => (one.key === key ? { ...one, isHidden } : one));
    }
  }

  /** A user closes it. */
  async close(key: string): Promise<void> {
    const closing = this.find(key);
    if (!closing) return;
    this.setHidden(key, true);
    const goodbye = closing.listener.closed().catch(() => undefined);
    await Promise.race([goodbye, new Promise((done) => setTimeout(done, GOODBYE_MS))]);
    batch(() => {
      this.remove(key);
      this.#layout.value = without(this.#layout.peek(), key);
    });
  }

  /** It is gone. Who has not closed it finds it where it was, should it come again. */
  remove(key: string): void {
    const removed = this.find(key);
    if (!removed) return;
    this.#open.value = this.#open.peek().filter((one) => one.key !== key);
    removed.element.remove();
  }

  dock(key: string, tabs: string, side: Side): void {
    this.#layout.value = docked(this.#layout.peek(), key, tabs, side);
  }

  /** To a side of the canvas. */
  dockBeside(key: string, side: Side): void {
    const image = tabsWith(this.#layout.peek(), IMAGE);
    if (image && key !== IMAGE) this.dock(key, image.id, side);
  }

  /** Above the others, or back beside the canvas. */
  toggleFloat(key: string): void {
    const layout = this.#layout.peek();
    const spec = this.find(key)?.spec;
    if (!spec) return;
    this.#layout.value = isFloating(layout, key)
      ? this.#opened(without(layout, key), key, { ...spec, fullscreen: false })
      : floating(layout, key, floatPlace(spec, this.area.peek(), layout.floats.length));
  }

  floatAt(key: string, place: Rect): void {
    this.#layout.value = floating(this.#layout.peek(), key, place);
  }

  moveFloat(tabs: string, place: Rect): void {
    this.#layout.value = moved(this.#layout.peek(), tabs, place);
  }

  resizeSplit(split: string, at: number, by: number): void {
    this.#layout.value = resized(this.#layout.peek(), split, at, by);
  }

  toggleMaximised(key: string): void {
    const layout = this.#layout.peek();
    this.#layout.value = maximised(layout, layout.maximised === key ? null : key);
  }

  /** As a plugin asks, in units of its grid. Only a float can have any size. */
  resize(key: string, w: number, h: number): void {
    const layout = this.#layout.peek();
    const float = layout.floats.find(({ tabs }) => tabs.windows.includes(key));
    if (!float || !(w > 0) || !(h > 0)) return;
    this.moveFloat(float.tabs.id, { ...float.place, width: w * UNIT, height: h * UNIT });
  }

  /** All are gone; where they were is known when they come again. */
  clear(): void {
    for (const { element } of this.#open.peek()) element.remove();
    this.#open.value = [];
  }

  dispose(): void {
    for (const { element } of this.#open.peek()) element.remove();
    this.#open.value = [];
  }

  #opened(layout: Layout, key: string, wish: Wish): Layout {
    const isTool = (other: string) => !!this.find(other)?.spec.isTool;
    return opened(layout, key, wish, this.area.peek(), isTool);
  }

  #isThere(key: string): boolean {
    return this.#open.value.some((one) => one.key === key && !one.isHidden && !one.spec.isDialog);
  }

  /** The first one free: after a reload the same windows have the same keys. */
  #keyFor(name: string): string {
    const taken = new Set(this.#open.peek().map(({ key }) => key));
    let n = 1;
    while (taken.has(`${name} #${n}`)) n += 1;
    return `${name} #${n}`;
  }
}
