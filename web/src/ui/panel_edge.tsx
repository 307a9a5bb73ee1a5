/** The edge of a panel, which makes it wider or narrower. */
import { type Signal, signal } from "@preact/signals";
import { clamp } from "./numbers.ts";

const WIDEST = 480;
const KEY_STEP = 16;

export class PanelWidth {
  readonly narrowest: number;
  readonly widest = WIDEST;
  readonly #pixels: Signal<number>;

  constructor(start: number, narrowest: number) {
    this.narrowest = narrowest;
    this.#pixels = signal(start);
  }

  get pixels(): number {
    return this.#pixels.value;
  }

  set(pixels: number): void {
    this.#pixels.value = clamp(pixels, this.narrowest, Math.min(WIDEST, innerWidth / 2));
  }
}

type PanelEdgeProps = {
  readonly width: PanelWidth;
  /** The side of the panel that moves. */
  readonly side: "left" | "right";
  readonly label: string;
};

export function PanelEdge({ width, side, label }: PanelEdgeProps) {
  const outwards = side === "right" ? 1 : -1;
  const press = (event: KeyboardEvent) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    width.set(width.pixels + outwards * steps * KEY_STEP);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that moves is no <hr>.
    <div
      class={`panel-edge panel-edge-${side}`}
      role="separator"
      aria-orientation="vertical"
      aria-label={label}
      aria-valuenow={width.pixels}
      aria-valuemin={width.narrowest}
      aria-valuemax={width.widest}
      tabIndex={0}
      onKeyDown={press}
      onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        width.set(side === "right" ? event.clientX : innerWidth - event.clientX);
      }}
    />
  );
}
