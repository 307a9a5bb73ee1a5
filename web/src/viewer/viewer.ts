/** The viewer as the page sees it: owns the camera and the settings, and a worker that draws them. */

import {
  chooseDisplayed,
  fitTo,
  pan,
  sightOf,
  startPosition,
  turnedTo,
  zoomAt,
  zoomLimits,
} from "./camera.ts";
import { toWorld } from "./geometry.ts";
import { attachInput } from "./input.ts";
import { SettingsTable } from "./layer_settings.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import type {
  Camera,
  FrameRecord,
  Layer,
  LayerSettings,
  Pair,
  Scene,
  ViewerEvents,
  ViewerHandle,
  ViewerOptions,
  VolumeView,
} from "./types.ts";
import { WIDEST } from "./volumes/volume_camera.ts";
import {
  alongAxes,
  FIRST_LOOK,
  fitVolume,
  orbit,
  panVolume,
  volumeAxes,
  volumeLimits,
  zoomVolumeAt,
} from "./volumes/volume_motion.ts";

const DEFAULT_SLOTS = 512 << 20;

type CameraChange = Partial<Pick<Camera, "center" | "zoom" | "position" | "displayed" | "volume">>;
type Handlers = { [K in keyof ViewerEvents]: Set<(event: ViewerEvents[K]) => void> };

/** For tests and other builds: another worker, which speaks the same messages. */
export type WorkerMaker = () => Worker;

export class Viewer implements ViewerHandle {
  scene: Scene | null = null;
  camera: Camera | null = null;
  size: Pair = [0, 0];
  slots: number;
  readonly #canvas: HTMLCanvasElement;
  readonly #worker: Worker;
  readonly #observer: ResizeObserver;
  readonly #detachInput: () => void;
  readonly #settings = new SettingsTable();
  readonly #handlers: Handlers = {
    scene: new Set(),
    camera: new Set(),
    layer: new Set(),
    stats: new Set(),
    probe: new Set(),
    failure: new Set(),
    requests: new Set(),
    outlines: new Set(),
    notice: new Set(),
    connection: new Set(),
  };
  /** How a volume was looked at last, to go back to. */
  #lastVolume: VolumeView | null = null;
  /** What was set before there was anything to look at. */
  #early: CameraChange = {};
  /** Whether the camera still is what `fit` made it; then it follows the size of the canvas. */
  #fitted = false;
  #revision = 0;
  #settledRevision = -1;
  #caughtUp = -1;
  #waiting: { readonly resolve: () => void; readonly reject: (reason: Error) => void }[] = [];
  #captures = new Map<number, (blob: Blob | null) => void>();
  #captureCount = 0;
  #recorded: ((frames: readonly FrameRecord[]) => void)[] = [];

  constructor(
    canvas: HTMLCanvasElement,
    options: ViewerOptions,
    makeWorker: WorkerMaker = renderWorker,
  ) {
    this.#canvas = canvas;
    this.slots = options.slots ?? DEFAULT_SLOTS;
    this.#worker = makeWorker();
    this.#worker.onmessage = (event: MessageEvent<FromWorker>) => this.#receive(event.data);
    this.#worker.onerror = (event) => {
      this.#emit("notice", { severity: "error", text: `The canvas stopped: ${event.message}` });
    };
    const offscreen = canvas.transferControlToOffscreen();
    this.#send(
      {
        type: "start",
        canvas: offscreen,
        stream: socketAddress(options.stream),
        colormaps: options.colormaps,
        slots: this.slots,
        clear: options.clear ?? [0, 0, 0],
      },
      [offscreen],
    );
    this.#observer = new ResizeObserver((entries) => {
      const entry = entries.at(-1);
      if (entry) this.#resize(deviceSize(entry));
    });
    this.#detachInput = attachInput(canvas, this);
    try {
      this.#observer.observe(canvas, { box: "device-pixel-content-box" });
    } catch {
      this.#observer.observe(canvas);
    }
  }

  layer(id: number): LayerSettings {
    return this.#settings.get(id);
  }

  on<K extends keyof ViewerEvents>(type: K, handler: (event: ViewerEvents[K]) => void): () => void {
    this.#handlers[type].add(handler);
    return () => this.#handlers[type].delete(handler);
  }

  setCamera(change: CameraChange): void {
    const sane = checked(change);
    if (!this.camera) {
      this.#early = { ...this.#early, ...sane };
      return;
    }
    if (sane.center || sane.zoom || sane.volume !== undefined) this.#fitted = false;
    const turned = turnedTo(this.camera, sane.displayed ?? this.camera.displayed);
    const position = { ...turned.position, ...sane.position };
    this.#look({ ...turned, ...sane, position }, false);
  }

  fit(): void {
    if (!this.camera || !this.scene) return;
    const shown = this.#shownLayers();
    const { volume } = this.camera;
    if (volume) {
      this.#lookAt({ ...volume, ...fitVolume(shown, this.size, volume) }, false);
      this.#fitted = true;
      return;
    }
    this.#look({ ...this.camera, ...fitTo(shown, this.size, this.camera.displayed) }, false);
    this.#fitted = true;
  }

  panBy(dx: number, dy: number): void {
    if (!this.camera) return;
    this.#fitted = false;
    const [x, y] = this.#toDevice([dx, dy]);
    const { volume } = this.camera;
    if (volume) this.#lookAt(panVolume(volume, x, y), true);
    else this.#look(pan(this.camera, x, y), true);
  }

  orbitBy(dx: number, dy: number): void {
    const volume = this.camera?.volume;
    if (!volume) return;
    this.#fitted = false;
    this.#lookAt(orbit(volume, this.size, ...this.#toDevice([dx, dy])), true);
  }

  get volumeAxes(): VolumeView["displayed"] | null {
    return this.camera && volumeAxes(this.#shownLayers(), this.camera.displayed);
  }

  showVolume(shown: boolean): void {
    if (!this.camera || shown === !!this.camera.volume) return;
    const displayed = this.volumeAxes;
    if (!shown || !displayed) {
      this.#fitted = false;
      this.#look({ ...this.camera, volume: null }, false);
      return;
    }
    const last = this.#lastVolume && alongAxes(this.#lastVolume, displayed);
    const look = { ...FIRST_LOOK, ...last, displayed };
    const fitted = last ? {} : fitVolume(this.#shownLayers(), this.size, look);
    this.#fitted = !last;
    this.#lookAt({ center: [0, 0, 0], zoom: 1, ...look, ...fitted }, false);
  }

  zoomBy(factor: number, at?: Pair): void {
    if (!this.camera || !this.scene || !(factor > 0 && Number.isFinite(factor))) return;
    this.#fitted = false;
    const fixed: Pair = at ? this.#toDevice(at) : [this.size[0] / 2, this.size[1] / 2];
    const { volume } = this.camera;
    if (volume) {
      const range = volumeLimits(this.#shownLayers(), this.size, volume);
      this.#lookAt(zoomVolumeAt(volume, this.size, factor, fixed, range), true);
      return;
    }
    const limits = zoomLimits(this.#shownLayers(), this.size, this.camera.displayed);
    this.#look(zoomAt(this.camera, this.size, factor, fixed, limits), true);
  }

  setLayer(id: number, settings: Partial<LayerSettings>): void {
    const changed = this.#settings.change(id, settings);
    this.#change({ type: "layer", id, settings, revision: 0 });
    this.#emit("layer", { id, settings: changed });
  }

  probeAt(at: Pair | null): void {
    this.#send({ type: "probe", at: at ? this.#toDevice(at) : null });
  }

  toWorld(at: Pair): Pair {
    if (!this.camera) return [0, 0];
    const [x, y] = this.#toDevice(at);
    return toWorld(sightOf(this.camera, this.size), x, y);
  }

  retryFailed(): void {
    this.#change({ type: "retry", revision: 0 });
  }

  watchRequests(on: boolean): void {
    this.#send({ type: "watch", on });
  }

  watchOutlines(on: boolean): void {
    this.#send({ type: "outline", on });
  }

  setSlots(bytes: number): void {
    this.slots = bytes;
    this.#change({ type: "slots", bytes, revision: 0 });
  }

  freeze(on: boolean): void {
    this.#send({ type: "freeze", on });
  }

  get caughtUp(): boolean {
    return this.#caughtUp === this.#revision;
  }

  settled(): Promise<void> {
    if (this.#settledRevision === this.#revision) return Promise.resolve();
    return new Promise((resolve, reject) => this.#waiting.push({ resolve, reject }));
  }

  async capture(): Promise<Blob> {
    const id = this.#captureCount++;
    const blob = await new Promise<Blob | null>((resolve) => {
      this.#captures.set(id, resolve);
      this.#send({ type: "capture", id });
    });
    if (!blob) throw new Error("The canvas has lost its GL context; try again.");
    return blob;
  }

  recordFrames(): () => Promise<readonly FrameRecord[]> {
    this.#send({ type: "record", on: true });
    return () =>
      new Promise((resolve) => {
        this.#recorded.push(resolve);
        this.#send({ type: "record", on: false });
      });
  }

  loseContext(): void {
    this.#change({ type: "loseContext", revision: 0 });
  }

  dispose(): void {
    this.#observer.disconnect();
    this.#detachInput();
    this.#send({ type: "dispose" });
    for (const { reject } of this.#waiting) reject(new Error("The viewer was disposed."));
    for (const resolve of this.#captures.values()) resolve(null);
    for (const handlers of Object.values(this.#handlers)) handlers.clear();
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "scene":
        this.#setScene(message.scene);
        break;
      case "stats":
        this.#settledRevision = message.stats.settled ? message.revision : -1;
        this.#emit("stats", {
          ...message.stats,
          settled: this.#settledRevision === this.#revision,
        });
        if (this.#settledRevision === this.#revision) {
          for (const { resolve } of this.#waiting.splice(0)) resolve();
        }
        break;
      case "caught up":
        this.#caughtUp = message.revision;
        break;
      case "probe":
        this.#emit("probe", message.probe);
        break;
      case "failure":
        this.#emit("failure", message.failure);
        break;
      case "requests":
        this.#emit("requests", message.requests);
        break;
      case "outlines":
        this.#emit("outlines", message.outlines);
        break;
      case "notice":
        this.#emit("notice", message.notice);
        break;
      case "connection":
        this.#emit("connection", message.state);
        break;
      case "captured":
        this.#captures.get(message.id)?.(message.blob);
        this.#captures.delete(message.id);
        break;
      case "recorded":
        this.#recorded.shift()?.(message.frames);
        break;
    }
  }

  #setScene(scene: Scene): void {
    this.scene = scene;
    this.#settings.setScene(scene.layers);
    this.#emit("scene", scene);
    this.#lookAtScene();
  }

  /** The first look; later scenes only add positions on axes that are new. */
  #lookAtScene(): void {
    const layers = this.scene?.layers ?? [];
    if (layers.length === 0 || this.size[0] === 0 || this.size[1] === 0) return;
    if (this.camera) {
      const start = startPosition(layers, this.camera.displayed);
      this.#look({ ...this.camera, position: { ...start, ...this.camera.position } }, false);
      return;
    }
    const displayed = chooseDisplayed(layers);
    const early = this.#early;
    this.#early = {};
    this.#fitted = !early.center && !early.zoom;
    this.#look(
      {
        displayed,
        ...fitTo(this.#shownLayers(), this.size, displayed),
        ...early,
        position: { ...startPosition(layers, displayed), ...early.position },
      },
      false,
    );
  }

  #shownLayers(): readonly Layer[] {
    const layers = this.scene?.layers ?? [];
    const visible = layers.filter((layer) => this.#settings.get(layer.id).visible);
    return visible.length > 0 ? visible : layers;
  }

  #lookAt(volume: VolumeView, moving: boolean): void {
    if (this.camera) this.#look({ ...this.camera, volume }, moving);
  }

  #look({ volume, ...flat }: Camera, moving: boolean): void {
    const camera: Camera = volume ? { ...flat, volume } : flat;
    this.camera = camera;
    if (volume) this.#lastVolume = volume;
    const time = performance.timeOrigin + performance.now();
    this.#change({ type: "camera", camera, moving, time, revision: 0 });
    this.#emit("camera", camera);
  }

  #resize(size: Pair): void {
    if (size[0] === this.size[0] && size[1] === this.size[1]) return;
    this.size = size;
    // A canvas that is not laid out has no size, and nothing to draw.
    if (size[0] === 0 || size[1] === 0) return;
    this.#change({ type: "resize", size, revision: 0 });
    if (!this.camera) this.#lookAtScene();
    else if (this.#fitted) this.fit();
    else {
      // A new one, though it is equal: what lies over the canvas has to be put anew.
      this.camera = { ...this.camera };
      this.#emit("camera", this.camera);
    }
  }

  /** Canvas CSS pixels → device pixels. */
  #toDevice(at: Pair): Pair {
    const { clientWidth, clientHeight } = this.#canvas;
    return [
      (at[0] * this.size[0]) / (clientWidth || 1),
      (at[1] * this.size[1]) / (clientHeight || 1),
    ];
  }

  #change(message: Extract<ToWorker, { revision: number }>): void {
    this.#revision += 1;
    this.#send({ ...message, revision: this.#revision });
  }

  #send(message: ToWorker, transfer: Transferable[] = []): void {
    this.#worker.postMessage(message, transfer);
  }

  #emit<K extends keyof ViewerEvents>(type: K, event: ViewerEvents[K]): void {
    for (const handler of [...this.#handlers[type]]) handler(event);
  }
}

/** A worker that draws; it takes a while to begin, so who is about to make a viewer may start it. */
export function renderWorker(): Worker {
  return new Worker(new URL("./render_worker.ts", import.meta.url), { type: "module" });
}

function socketAddress(stream: string): string {
  const address = new URL(stream, location.href);
  address.protocol = address.protocol.replace(/^http/, "ws");
  return address.href;
}

function deviceSize(entry: ResizeObserverEntry): Pair {
  const exact = entry.devicePixelContentBoxSize?.[0];
  if (exact) return [exact.inlineSize, exact.blockSize];
  const { width, height } = entry.contentRect;
  return [Math.round(width * devicePixelRatio), Math.round(height * devicePixelRatio)];
}

/** Without what no camera can have: a saved address may say anything. */
function checked(change: CameraChange): CameraChange {
  const { center, zoom, position, displayed, volume } = change;
  return {
    ...(center?.every(Number.isFinite) ? { center } : {}),
    ...(zoom !== undefined && zoom > 0 && Number.isFinite(zoom) ? { zoom } : {}),
    ...(position ? { position } : {}),
    ...(displayed && displayed[0] !== displayed[1] ? { displayed } : {}),
    ...(volume === null || (volume && isPossible(volume)) ? { volume } : {}),
  };
}

function isPossible(volume: VolumeView): boolean {
  const { center, zoom, orientation, perspective, quality, clip } = volume;
  const numbers = [...center, ...orientation, zoom, perspective, quality, ...(clip?.flat() ?? [])];
  const length = Math.hypot(...orientation);
  return (
    numbers.every(Number.isFinite) &&
    zoom > 0 &&
    length > 0.5 &&
    length < 2 &&
    perspective >= 0 &&
    perspective <= WIDEST &&
    quality >= 1 / 16 &&
    quality <= 4 &&
    (!clip || clip[0].every((low, i) => low < (clip[1][i] ?? low)))
  );
}
