/** Plays the slices of one axis in a loop. */
import { effect, signal } from "@preact/signals";
import type { Desk } from "./desk.ts";
import type { SliderAxis } from "./slider_axes.ts";

export const SLOWEST = 1;
export const FASTEST = 60;
const PATIENCE_MS = 3000;

export class Playback {
  readonly playing = signal<string | null>(null);
  readonly framesPerSecond = signal(10);
  #shownAt = 0;
  readonly #desk: Desk;
  readonly #stop: () => void;

  constructor(desk: Desk) {
    this.#desk = desk;
    this.#stop = effect(() => {
      const name = this.playing.value;
      if (name === null) return;
      const timer = setInterval(() => this.#advance(name), 1000 / this.framesPerSecond.value);
      return () => clearInterval(timer);
    });
  }

  toggle(axis: SliderAxis): void {
    this.playing.value = this.playing.peek() === axis.name ? null : axis.name;
  }

  stop(): void {
    this.playing.value = null;
  }

  dispose(): void {
    this.#stop();
    this.playing.value = null;
  }

  #advance(name: string): void {
    const axis = this.#desk.axes.peek().find((candidate) => candidate.name === name);
    // A hidden page gets no frames: playing on would only load what nobody sees.
    if (!axis || document.hidden) return;
    // Nor is a slice passed over before it was seen, unless it never comes.
    const late = performance.now() - this.#shownAt > PATIENCE_MS;
    if (!this.#desk.viewer.caughtUp && !late) return;
    this.#shownAt = performance.now();
    this.#desk.showSlice(axis, (this.#desk.sliceIndex(axis) + 1) % axis.count);
  }
}
