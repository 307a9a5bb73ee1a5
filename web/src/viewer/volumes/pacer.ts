/** How long the graphics card takes for pictures of volumes, and how much of one is quick enough. */

/** Milliseconds that a picture may take while something moves. */
const HURRY_MS = 30;
/** Milliseconds that a part of a picture may take for which nobody waits: a move has to wait for it. */
const PART_MS = 100;
/** The first part is so much of a picture. */
const PART = 1 / 16;
/** Rows are drawn so many at a time at least, as graphics cards draw pixels in blocks. */
const ROWS = 4;
/** While only bricks come, nothing is drawn for so many times as long as drawing takes, but not for too long. */
const REST = 2;
const LONGEST_REST_MS = 500;
const COARSEST = 8;
/** A picture with so many pixels along each side less is shown before the one with all of them, if that takes … */
const BETWEEN = 2;
/** … as many milliseconds. */
const LONG_MS = 300;

export class Pacer {
  readonly #gl: WebGL2RenderingContext;
  #fence: WebGLSync | null = null;
  #started = 0;
  /** When it was last seen at work. */
  #lastSeen = 0;
  #restsUntil = 0;
  /** Of all device pixels, those that it works at; of a part, less than all. */
  #share = 1;
  #isPart = false;
  /** How much of a whole picture the next part should be. */
  #part = PART;
  /** Milliseconds that all pixels would take: as long as nobody knows, many. */
  #cost = COARSEST * COARSEST * HURRY_MS;

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
  }

  get isBusy(): boolean {
    this.#look();
    return this.#fence !== null;
  }

  /** Whether another picture should wait, if nothing moves: drawing takes time from what brings bricks. */
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

  /** Where every `factor`-th pixel is drawn, every how many to draw next. */
  finer(factor: number): number {
    this.#look();
    return factor > BETWEEN && this.#cost > LONG_MS ? BETWEEN : 1;
  }

  /** Of so many rows of pixels, how many to draw next with every `factor`-th pixel. */
  rows(all: number, factor: number): number {
    this.#look();
    return Math.min(Math.max(Math.round((all * this.#part * factor ** 2) / ROWS), 1) * ROWS, all);
  }

  /** The context is lost, and with it whatever was drawn. */
  lose(): void {
    this.#fence = null;
  }

  /** So much of all pixels, 0 to 1, was handed to the graphics card; all over the picture, or in one part of it. */
  drawn(share: number, isPart = false): void {
    const gl = this.#gl;
    if (this.#fence) gl.deleteSync(this.#fence);
    this.#fence = gl.fenceSync(gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    this.#started = performance.now();
    this.#lastSeen = this.#started;
    this.#share = share;
    this.#isPart = isPart;
    gl.flush();
  }

  #look(): void {
    const gl = this.#gl;
    if (!this.#fence) return;
    const now = performance.now();
    if (gl.getSyncParameter(this.#fence, gl.SYNC_STATUS) !== gl.SIGNALED) {
      this.#lastSeen = now;
      return;
    }
    gl.deleteSync(this.#fence);
    this.#fence = null;
    this.#restsUntil = now + Math.min(REST * (now - this.#started), LONGEST_REST_MS);
    // It took at least until it was last seen at work: what is quick is not taken for slow only
    // because it was looked at late.
    const took = this.#lastSeen - this.#started;
    if (this.#isPart) {
      // A step at a time: parts differ, and each takes some time however small it is.
      const times = Math.min(Math.max(PART_MS / Math.max(took, 1), 0.5), 2);
      this.#part = Math.min(this.#share * times, 1);
      return;
    }
    const all = took / this.#share;
    // What is slow counts soon, what is quick may have been quick by chance.
    this.#cost = all > this.#cost ? Math.min(all, 4 * this.#cost) : (this.#cost + all) / 2;
  }
}
