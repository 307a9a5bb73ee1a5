/** How fast frames come and how late they are. Times are milliseconds of one clock. */

const WINDOW_MS = 1000;

export class FrameClock {
  latencyMs = 0;
  #times: number[] = [];
  #input: number | null = null;

  /** The camera changed; the next frame will show it. */
  moved(time: number): void {
    this.#input = time;
  }

  drawn(time: number): void {
    if (this.#input !== null) this.latencyMs = Math.max(time - this.#input, 0);
    this.#input = null;
    this.#times.push(time);
    this.#times = this.#times.filter((one) => one > time - WINDOW_MS);
  }

  /** Over the second before the last frame: a canvas at rest keeps its number. */
  get framesPerSecond(): number {
    const [first, last] = [this.#times[0], this.#times.at(-1)];
    if (first === undefined || last === undefined || last <= first) return 0;
    return ((this.#times.length - 1) * 1000) / (last - first);
  }
}
