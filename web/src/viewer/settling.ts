/** When a picture is finished, and whether somebody was told. Pure. */

export class Settling {
  /** What was last seen complete, and what was said to be. */
  #settled = -1;
  #announced = -1;

  /** Whether it was seen complete, and nobody was told. */
  get isPending(): boolean {
    return this.#settled !== this.#announced;
  }

  isAnnounced(revision: number): boolean {
    return this.#announced === revision;
  }

  /** A frame was drawn that is complete. */
  drawn(revision: number): void {
    this.#settled = revision;
  }

  /** True once, when a complete frame has been presented: one frame after it was drawn. */
  announces(revision: number, complete: boolean): boolean {
    if (!complete) {
      this.#settled = -1;
      this.#announced = -1;
      return false;
    }
    const presented = this.#settled === revision;
    this.#settled = revision;
    if (!presented || this.#announced === revision) return false;
    this.#announced = revision;
    return true;
  }
}
