/** The histogram of the selected layer at the slice that is shown, fetched when things are quiet. */
import { effect, signal } from "@preact/signals";
import type { Layer } from "../viewer/types.ts";
import type { Desk } from "./desk.ts";
import type { Histogram } from "./server.ts";
import { indexOf } from "./slider_axes.ts";

export type HistogramState =
  | { readonly kind: "none" }
  | { readonly kind: "shown"; readonly layer: number; readonly histogram: Histogram }
  | { readonly kind: "failed"; readonly layer: number; readonly reason: string };

const QUIET_MS = 150;
const MOST_KEPT = 64;

export class HistogramSource {
  readonly state = signal<HistogramState>({ kind: "none" });
  readonly #desk: Desk;
  readonly #kept = new Map<string, Histogram>();
  readonly #stop: () => void;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#stop = effect(() => this.#follow());
  }

  /** The histogram of a layer now: what auto contrast asks for. */
  async now(layer: Layer): Promise<Histogram> {
    const { key, position } = this.#slice(layer);
    return this.#kept.get(key) ?? this.#fetch(layer, key, position, new AbortController().signal);
  }

  dispose(): void {
    this.#stop();
  }

  #follow(): (() => void) | undefined {
    const layer = this.#desk.selectedLayer.value;
    if (!layer || layer.kind === "labels" || layer.kind === "points") {
      this.state.value = { kind: "none" };
      return undefined;
    }
    const { key, position } = this.#slice(layer);
    const kept = this.#kept.get(key);
    if (kept) {
      this.state.value = { kind: "shown", layer: layer.id, histogram: kept };
      return undefined;
    }
    const shown = this.state.peek();
    if (shown.kind !== "none" && shown.layer !== layer.id) this.state.value = { kind: "none" };
    const control = new AbortController();
    const timer = setTimeout(() => this.#show(layer, key, position, control.signal), QUIET_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }

  async #show(
    layer: Layer,
    key: string,
    position: Readonly<Record<string, number>>,
    signal: AbortSignal,
  ): Promise<void> {
    try {
      const histogram = await this.#fetch(layer, key, position, signal);
      if (!signal.aborted) this.state.value = { kind: "shown", layer: layer.id, histogram };
    } catch (error) {
      if (signal.aborted) return;
      const reason = error instanceof Error ? error.message : String(error);
      this.state.value = { kind: "failed", layer: layer.id, reason };
    }
  }

  async #fetch(
    layer: Layer,
    key: string,
    position: Readonly<Record<string, number>>,
    signal: AbortSignal,
  ): Promise<Histogram> {
    const histogram = await this.#desk.server.histogram(layer.id, position, signal);
    const oldest = this.#kept.keys().next().value;
    if (this.#kept.size >= MOST_KEPT && oldest !== undefined) this.#kept.delete(oldest);
    this.#kept.set(key, histogram);
    return histogram;
  }

  /** Moving along an axis that this layer lacks changes nothing, nor does moving within a slice. */
  #slice(layer: Layer) {
    const names = new Set(layer.axes.map((axis) => axis.name));
    const axes = this.#desk.axes.value.filter((axis) => names.has(axis.name));
    const camera = this.#desk.camera.value;
    const position = Object.fromEntries(
      axes.map((axis) => [axis.name, camera?.position[axis.name] ?? axis.low]),
    );
    const slices = axes.map((axis) => indexOf(axis, position[axis.name] ?? axis.low));
    return { key: `${layer.id} ${slices.join(" ")}`, position };
  }
}
