/** How long the graphics card takes for a frame, and with how many pixels it is quick enough. */

/** Milliseconds that a frame may take while something moves. */
const HURRY_MS = 30;
/** While only bricks come, nothing is drawn for so many times as long as drawing takes. */
const REST = 2;
const COARSEST = 8;

export class Pacer {
  readonly #gl: WebGL2RenderingContext;
  #fence: WebGLSync | null = null;
  #started = 0;
  #restsUntil = 0;
  #factor = 1;
  /** Milliseconds that a frame of all pixels would take. */
  #cost = 0;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
  }

  get isBusy(): boolean {
    this.#look();
    return this.#fence !== null;
  }

  /** Whether another frame should wait, if nothing moves: drawing takes time from what brings bricks. */
  get isResting(): boolean {
    this.#look();
    return this.#fence !== null || performance.now() < this.#restsUntil;
  }

  /** Every how many pixels to draw, to be quick. */
  get factor(): number {
    this.#look();
    let factor = 1;
    while (factor < COARSEST && this.#cost / (factor * factor) > HURRY_MS) factor *= 2;
    return factor;
  }

  /** The context is lost, and with it whatever was drawn. */
  lose(): void {
    this.#fence = null;
  }

  /** A frame of every `factor`-th pixel was handed to the graphics card. */
  drawn(factor: number): void {
    const gl = this.#gl;
    if (this.#fence) gl.deleteSync(this.#fence);
    this.#fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    this.#started = performance.now();
    this.#factor = factor;
    gl.flush();
  }

  #look(): void {
    const gl = this.#gl;
    if (!this.#fence) return;
    if (gl.getSyncParameter(this.#fence, gl.SYNC_STATUS) !== gl.SIGNALED) return;
    gl.deleteSync(this.#fence);
    this.#fence = null;
    const took = performance.now() - this.#started;
    this.#restsUntil = performance.now() + REST * took;
    const all = took * this.#factor * this.#factor;
    // A slow frame counts at once, a quick one may have been quick by chance.
    this.#cost = all > this.#cost ? all : (this.#cost + all) / 2;
  }
}
