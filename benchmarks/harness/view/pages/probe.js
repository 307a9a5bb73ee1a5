// What watches a viewer, the same for every viewer: the pictures that its canvas presents, and how
// long the page's main thread does not answer. Runs before anything else in the page.
// All times are milliseconds since the epoch.

const TICK_MS = 4;

class CanvasProbe {
  #worker = new Worker("/view/pictures.js");
  #answers = new Map();
  #asked = 0;
  #gaps = [];
  #canvas = null;
  #isDrawnElsewhere = false;

  /** When the browser set out for this page. */
  navigated = Number(new URLSearchParams(location.search).get("navigated"));

  constructor() {
    this.#worker.onmessage = ({ data }) => {
      this.#answers.get(data.id)(data.answer);
      this.#answers.delete(data.id);
    };
    const { transferControlToOffscreen } = HTMLCanvasElement.prototype;
    const probe = this;
    HTMLCanvasElement.prototype.transferControlToOffscreen = function () {
      probe.#isDrawnElsewhere = true;
      return transferControlToOffscreen.call(this);
    };
    let last = this.now();
    const tick = () => {
      const time = this.now();
      if (time - last > 4 * TICK_MS) this.#gaps.push([last, time - last]);
      last = time;
      setTimeout(tick, TICK_MS);
    };
    tick();
  }

  now() {
    return performance.timeOrigin + performance.now();
  }

  /** Main-thread gaps of more than a few ticks: [when it began, ms]. */
  get gaps() {
    return this.#gaps;
  }

  /** Hand all that a canvas presents to the worker that keeps it. */
  watch(canvas) {
    this.#canvas = canvas;
    const [track] = canvas.captureStream().getVideoTracks();
    const { readable } = new MediaStreamTrackProcessor({ track, maxBufferSize: 60 });
    this.#worker.postMessage({ watch: readable }, [readable]);
  }

  /**
   * Whether the worker has the picture that is on the canvas; it keeps it now if this is late. Of a
   * canvas that a worker draws the stream comes late when the computer is busy, and no other canvas
   * can be read at any time.
   */
  async hasAll(isLate) {
    if (!this.#isDrawnElsewhere) return true;
    const bitmap = await createImageBitmap(this.#canvas);
    return this.#ask({ bitmap, time: this.now(), isLate }, [bitmap]);
  }

  /** When the picture changed last, how many there are, and whether the last shows something. */
  last() {
    return this.#ask({});
  }

  /** What came of all pictures, phase by phase: [name, from, until]. */
  report(phases) {
    return this.#ask({ phases });
  }

  #ask(message, transfer = []) {
    const id = this.#asked++;
    this.#worker.postMessage({ id, ...message }, transfer);
    return new Promise((resolve) => this.#answers.set(id, resolve));
  }
}

window.canvasProbe = new CanvasProbe();
