/** A viewer that answers as the real one does, with one formula instead of images, on a 2D canvas. */
import type {
  Camera,
  FrameRecord,
  LayerSettings,
  Pair,
  Scene,
  ViewerEvents,
  ViewerHandle,
  ViewerOptions,
  ViewerStats,
} from "../../src/viewer/types.ts";

type Handlers = { [K in keyof ViewerEvents]: Set<(event: ViewerEvents[K]) => void> };

export const IDLE: ViewerStats = {
  settled: true,
  wanted: 24,
  held: 24,
  failed: 0,
  targets: { "0": 2, "1": 2, "2": 3 },
  bytesRead: 48_234_496,
  cacheBytes: 201_326_592,
  cacheBudget: 2_147_483_648,
  inFlight: 0,
  planMs: 0.42,
  loadedBytes: 220_200_960,
  wastedBytes: 6_291_456,
  slotBytes: 25_165_824,
  slotBudget: 536_870_912,
  slotCount: 48,
  linkBytes: 31_457_280,
  framesPerSecond: 60,
  latencyMs: 14.2,
};

export class FakeViewer implements ViewerHandle {
  scene: Scene | null = null;
  camera: Camera | null = null;
  readonly options: ViewerOptions | null;
  readonly calls: string[] = [];
  slots = 512 << 20;
  readonly #canvas: HTMLCanvasElement | null;
  readonly #settings = new Map<number, LayerSettings>();
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

  constructor(canvas: HTMLCanvasElement | null = null, options: ViewerOptions | null = null) {
    this.#canvas = canvas;
    this.options = options;
    canvas?.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(1.002 ** -event.deltaY, [event.offsetX, event.offsetY]);
    });
    canvas?.addEventListener("pointermove", (event) => {
      if (event.buttons === 1) this.panBy(event.movementX, event.movementY);
    });
  }

  /** What the server would say. */
  emit<K extends keyof ViewerEvents>(type: K, event: ViewerEvents[K]): void {
    for (const handler of this.#handlers[type]) handler(event);
  }

  show(scene: Scene): void {
    this.scene = scene;
    for (const layer of scene.layers) {
      if (!this.#settings.has(layer.id)) this.#settings.set(layer.id, layer.defaults);
    }
    this.camera ??= { center: [0, 0], zoom: 1, position: { t: 0, z: 0 }, displayed: ["y", "x"] };
    this.emit("scene", scene);
    this.draw();
  }

  get size(): readonly [number, number] {
    return [this.#canvas?.clientWidth ?? 640, this.#canvas?.clientHeight ?? 480];
  }

  layer(id: number): LayerSettings {
    const settings = this.#settings.get(id);
    if (!settings) throw new Error(`no layer ${id}`);
    return settings;
  }

  on<K extends keyof ViewerEvents>(type: K, handler: (event: ViewerEvents[K]) => void): () => void {
    this.#handlers[type].add(handler);
    return () => this.#handlers[type].delete(handler);
  }

  setSlots(bytes: number): void {
    this.slots = bytes;
    this.calls.push(`setSlots ${bytes}`);
  }

  setCamera(camera: Partial<Pick<Camera, "center" | "zoom" | "position">>): void {
    if (!this.camera) return;
    this.calls.push(`setCamera ${JSON.stringify(camera)}`);
    const position = { ...this.camera.position, ...camera.position };
    this.camera = { ...this.camera, ...camera, position };
    this.emit("camera", this.camera);
    this.draw();
  }

  fit(): void {
    this.calls.push("fit");
    const finest = this.scene?.layers[0]?.levels[0];
    const height = (finest?.shape.at(-2) ?? 1) * (finest?.scale.at(-2) ?? 1);
    const width = (finest?.shape.at(-1) ?? 1) * (finest?.scale.at(-1) ?? 1);
    const zoom = Math.min(this.size[0] / width, this.size[1] / height);
    this.setCamera({ center: [height / 2, width / 2], zoom });
  }

  panBy(dx: number, dy: number): void {
    if (!this.camera) return;
    const [y, x] = this.camera.center;
    this.setCamera({ center: [y - dy / this.camera.zoom, x - dx / this.camera.zoom] });
  }

  readonly volumeAxes = null;

  showVolume(): void {}

  orbitBy(): void {}

  zoomBy(factor: number, _at?: readonly [number, number]): void {
    if (this.camera) this.setCamera({ zoom: this.camera.zoom * factor });
  }

  setLayer(id: number, settings: Partial<LayerSettings>): void {
    this.calls.push(`setLayer ${id} ${JSON.stringify(settings)}`);
    this.#settings.set(id, { ...this.layer(id), ...settings });
    this.emit("layer", { id, settings: this.layer(id) });
    this.draw();
  }

  probeAt(at: readonly [number, number] | null): void {
    if (!at || !this.scene) {
      this.emit("probe", null);
      return;
    }
    const values = this.scene.layers.map((layer, index) => ({
      layer: layer.id,
      value: String(Math.round(at[0] * 7 + at[1] * 13) % (index === 2 ? 97 : 4096)),
      level: 2,
    }));
    this.emit("probe", { world: this.toWorld(at), values });
  }

  toWorld(at: readonly [number, number]): Pair {
    const { center, zoom } = this.camera ?? { center: [0, 0], zoom: 1 };
    return [
      center[0] + (at[1] - this.size[1] / 2) / zoom,
      center[1] + (at[0] - this.size[0] / 2) / zoom,
    ];
  }

  readonly caughtUp = true;

  watchRequests(on: boolean): void {
    this.calls.push(`watchRequests ${on}`);
  }

  watchOutlines(on: boolean): void {
    this.calls.push(`watchOutlines ${on}`);
  }

  freeze(on: boolean): void {
    this.calls.push(`freeze ${on}`);
  }

  retryFailed(): void {
    this.calls.push("retryFailed");
    this.emit("stats", IDLE);
  }

  settled(): Promise<void> {
    return Promise.resolve();
  }

  capture(): Promise<Blob> {
    return Promise.resolve(new Blob(["png"], { type: "image/png" }));
  }

  recordFrames(): () => Promise<readonly FrameRecord[]> {
    return () => Promise.resolve([]);
  }

  loseContext(): void {}

  dispose(): void {
    this.calls.push("dispose");
  }

  /** Blobs that look a little like nuclei, in world coordinates. */
  draw(): void {
    const context = this.#canvas?.getContext("2d");
    if (!this.#canvas || !context || !this.camera) return;
    const [width, height] = this.size;
    this.#canvas.width = width;
    this.#canvas.height = height;
    context.globalCompositeOperation = "lighter";
    const { center, zoom } = this.camera;
    for (let i = 0; i < 900; i += 1) {
      const wx = ((i * 7919) % 1000) * 5.3;
      const wy = ((i * 104729) % 1000) * 5.3;
      const x = (wx - center[1]) * zoom + width / 2;
      const y = (wy - center[0]) * zoom + height / 2;
      const radius = (30 + ((i * 31) % 40)) * zoom;
      const glow = context.createRadialGradient(x, y, 0, x, y, radius);
      glow.addColorStop(0, i % 3 ? "rgb(40 110 200 / 90%)" : "rgb(190 60 160 / 90%)");
      glow.addColorStop(1, "transparent");
      context.fillStyle = glow;
      context.fillRect(x - radius, y - radius, 2 * radius, 2 * radius);
    }
  }
}
