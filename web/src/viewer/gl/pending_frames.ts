/**
 * Frames that the graphics card was given and has not finished. Where it is slow and nothing else holds frames back,
 * what one sees would come later with each.
 */

/** While one is drawn the next is prepared. */
const AT_ONCE = 2;

export class PendingFrames {
  readonly #gl: WebGL2RenderingContext;
  #fences: WebGLSync[] = [];

  constructor(gl: WebGL2RenderingContext) {
    this.#gl = gl;
  }

  /** Whether another frame would only wait. */
  get isFull(): boolean {
    const gl = this.#gl;
    while (
      this.#fences[0] &&
      gl.getSyncParameter(this.#fences[0], gl.SYNC_STATUS) === gl.SIGNALED
    ) {
      gl.deleteSync(this.#fences.shift() ?? null);
    }
    return this.#fences.length >= AT_ONCE;
  }

  /** A frame was given. */
  add(): void {
    const fence = this.#gl.fenceSync(this.#gl.SYNC_GPU_COMMANDS_COMPLETE, 0);
    if (fence) this.#fences.push(fence);
    this.#gl.flush();
  }
}
