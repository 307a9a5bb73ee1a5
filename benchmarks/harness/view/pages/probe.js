// What watches a viewer, the same for every viewer: the pictures that its canvas presents, and how
// long the page's main thread does not answer. Runs before anything else in the page.
// All times are milliseconds since the epoch.

const TICK_MS = 4;

class CanvasProbe {
  #worker = new Worker("/view/pictures.js");
  #answers = new Map();
  #asked = 0;
  #gaps = [];
  #last = this.now();
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
    const tick = () => {
      this.#answered();
      setTimeout(tick, TICK_MS);
    };
    tick();
  }

  /** The main thread answers. */
  #answered() {
    const time = this.now();
    if (time - this.#last > 4 * TICK_MS) this.#gaps.push([this.#last, time - this.#last]);
    this.#last = time;
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
   * Whether the worker had the picture that is on the canvas at rest; else it keeps it now. Of a
   * canvas that a worker draws the stream comes late, or loses its end, when the computer is busy,
   * and no other canvas can be read at any time.
   */
  async hasAll() {
    if (!this.#isDrawnElsewhere) return true;
    this.#answered();
    const grabbed = createImageBitmap(this.#canvas);
    this.#last = this.now(); // that was the probe, not the page
    const bitmap = await grabbed;
    return this.#ask({ bitmap, time: this.now() }, [bitmap]);
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
