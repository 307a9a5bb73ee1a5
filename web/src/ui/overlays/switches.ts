/** Which overlays are shown. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";

export const OVERLAYS = [
  { name: "scaleBar", label: "Scale bar" },
  { name: "axes", label: "Axes" },
  { name: "position", label: "Time and position" },
  { name: "colourBars", label: "Colour bars" },
  { name: "boxes", label: "Bounding boxes" },
  { name: "bricks", label: "Bricks" },
] as const;

export type OverlayName = (typeof OVERLAYS)[number]["name"];

/** What is shown where nobody has chosen. */
export const USUAL: readonly OverlayName[] = ["scaleBar"];

export class OverlaySwitches {
  readonly #shown = signal<ReadonlySet<OverlayName>>(new Set(USUAL));
  /** In the order of `OVERLAYS`; null where it is the usual choice. */
  readonly chosen: ReadonlySignal<readonly OverlayName[] | null> = computed(() => {
    const names = OVERLAYS.map(({ name }) => name).filter((name) => this.#shown.value.has(name));
    return names.length === USUAL.length && names.every((name) => USUAL.includes(name))
      ? null
      : names;
  });

  isShown(name: OverlayName): boolean {
    return this.#shown.value.has(name);
  }

  show(names: readonly OverlayName[]): void {
    this.#shown.value = new Set(names);
  }

  toggle(name: OverlayName): void {
    const shown = new Set(this.#shown.peek());
    if (!shown.delete(name)) shown.add(name);
    this.#shown.value = shown;
  }
}
