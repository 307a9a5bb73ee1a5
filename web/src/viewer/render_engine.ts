/**
 * What happens in the render worker: one frame after another, but only when something changed.
 *
 * A frame says what is looked at, uploads a few bricks, draws, lets go of what is too much, and
 * acknowledges. Everything that decides is in pure modules; here it is put in order.
 */

import { BrickStore, type Displayed } from "./brick_store.ts";
import { FrameClock } from "./frame_clock.ts";
import { Surface } from "./gl/surface.ts";
import { SettingsTable } from "./layer_settings.ts";
import type { FromWorker, ToWorker } from "./messages.ts";
import { PointsScene } from "./points/points_scene.ts";
import { Settling } from "./settling.ts";
import { SliceScene } from "./slices/slice_scene.ts";
import type { Slot } from "./slots.ts";
import type { BrickStream, StreamListener } from "./stream/brick_stream.ts";
import type { ServerMessage, ServerStats } from "./stream/server_messages.ts";
import type {
  Camera,
  Coverage,
  FrameRecord,
  Layer,
  Outline,
  Pair,
  Probe,
  Scene,
  ViewerStats,
  VisibleLayer,
} from "./types.ts";
import { isOfVolume, VolumeScene } from "./volumes/volume_scene.ts";

/** After this long without a change the camera rests. */
const REST_MS = 150;
const STATS_MS = 200;
const DISPLAYED: Displayed = { slice: ["y", "x"], volume: ["z", "y", "x"] };

export type EngineOptions = {
  readonly canvas: OffscreenCanvas;
  readonly colormaps: Readonly<Record<string, Uint8Array>>;
  readonly slots: number;
  readonly clear: readonly [number, number, number];
  readonly stream: BrickStream;
  readonly post: (message: FromWorker) => void;
};

export class RenderEngine implements StreamListener {
  readonly #stream: BrickStream;
  readonly #post: (message: FromWorker) => void;
  readonly #clear: readonly [number, number, number];
  readonly #surface: Surface;
  readonly #store: BrickStore;
  readonly #slices: SliceScene;
  readonly #volumes: VolumeScene;
  readonly #points: PointsScene;
  readonly #settings = new SettingsTable();
  readonly #clock = new FrameClock();
  readonly #settling = new Settling();
  #layers = new Map<number, Layer>();
  #camera: Camera | null = null;
  #size: Pair = [1, 1];

  #frame = 0;
  #scheduled = false;
  #stale = true;
  #revision = 0;
  #disposed = false;
  /** The context is about to be lost on purpose. */
  #losing = false;

  #generation = 0;
  #viewChanged = false;
  #moving = false;
  #movedAt = Number.NEGATIVE_INFINITY;
  #restTimer: ReturnType<typeof setTimeout> | undefined;

  #heard: ServerStats | null = null;
  /** Whether the page wants to see from which bricks it is drawn. */
  #outlines = false;
  /** Whether nothing more is to be loaded for where one looks. */
  #frozen = false;
  /** Whether the page wants to see what the loader asks for. */
  #watches = false;
  #statsTimer: ReturnType<typeof setTimeout> | undefined;
  #statsAt = Number.NEGATIVE_INFINITY;
  /** The last revision whose slices were drawn, and that the page was told of. */
  #caughtUp = -1;

  #probeAt: Pair | null = null;
  #probeMoved = false;
  #probed = "";
  /** The point whose properties were asked for last. */
  #asked = "";
  #records: FrameRecord[] | null = null;

  constructor(options: EngineOptions) {
    this.#stream = options.stream;
    this.#post = options.post;
    this.#clear = options.clear;
    this.#store = new BrickStore(options.slots);
    this.#surface = new Surface(options.canvas, options.colormaps, {
      lost: () => this.#lostContext(),
      restored: () => this.#invalidate(),
    });
    this.#points = new PointsScene(this.#store.points, options.colormaps);
    this.#slices = new SliceScene(this.#surface, this.#store, this.#points);
    this.#volumes = new VolumeScene(this.#surface, this.#store.volumes, this.#points);
    this.#stream.open(this);
  }

  // From the stream.

  opened(): void {
    this.#store.forgetSession();
    this.#heard = null;
    this.#asked = "";
    if (this.#watches) this.#stream.sendWatch(true);
    this.#viewChanged = true;
    this.#invalidate();
  }

  state(state: "connecting" | "open" | "lost" | "closed"): void {
    if (state !== "open") this.#heard = null;
    this.#post({ type: "connection", state });
  }

  notice(notice: { severity: "info" | "warning" | "error"; text: string }): void {
    this.#post({ type: "notice", notice });
  }

  message(message: ServerMessage): void {
    switch (message.type) {
      case "scene":
        this.#setScene(message);
        break;
      case "brick":
      case "points":
        this.#store.receive(message);
        this.#schedule();
        break;
      case "sample":
        this.#points.setSamples(message.samples);
        this.#invalidate();
        break;
      case "picked":
        this.#points.setPicked(message);
        this.#probeMoved = true;
        this.#schedule();
        break;
      case "failed": {
        const { key, reason } = message;
        this.#store.fail(key, reason);
        this.#post({ type: "failure", failure: { layer: key[0], level: key[1], reason } });
        this.#invalidate();
        break;
      }
      case "stats": {
        const aims = JSON.stringify(this.#heard?.targets) !== JSON.stringify(message.targets);
        this.#heard = message;
        // A raised target moves the marks of what has failed.
        if (aims) this.#stale = true;
        this.#schedule();
        break;
      }
      case "requests":
        this.#post({ type: "requests", requests: message.requests });
        break;
      case "notice":
        this.#post({ type: "notice", notice: message });
        break;
    }
  }

  // From the page.

  handle(message: Exclude<ToWorker, { type: "start" }>): void {
    if ("revision" in message) this.#revision = message.revision;
    switch (message.type) {
      case "resize":
        this.#size = message.size;
        this.#viewChanged = true;
        this.#invalidate();
        break;
      case "camera":
        this.#setCamera(message.camera, message.moving, message.time);
        break;
      case "layer": {
        const before = this.#settings.get(message.id).visible;
        const settings = this.#settings.change(message.id, message.settings);
        const layer = this.#layers.get(message.id);
        if (before !== settings.visible) this.#viewChanged = true;
        if (layer && this.#points.isNews({ layer, settings })) this.#viewChanged = true;
        this.#invalidate();
        break;
      }
      case "probe":
        this.#probeAt = message.at;
        this.#probeMoved = true;
        this.#schedule();
        break;
      case "retry":
        this.#store.forgetFailures();
        this.#stream.sendRetry();
        // A new generation: what was said to be settled before does not count any more.
        this.#viewChanged = true;
        this.#invalidate();
        break;
      case "watch":
        this.#watches = message.on;
        this.#stream.sendWatch(message.on);
        break;
      case "outline":
        this.#outlines = message.on;
        this.#invalidate();
        break;
      case "freeze":
        this.#frozen = message.on;
        this.#viewChanged ||= !message.on;
        this.#invalidate();
        break;
      case "slots":
        this.#store.setBudget(message.bytes);
        this.#stream.setSlots(message.bytes);
        this.#invalidate();
        break;
      case "capture":
        void this.#capture(message.id);
        break;
      case "record":
        if (message.on) this.#records = [];
        else this.#post({ type: "recorded", frames: this.#records ?? [] });
        if (!message.on) this.#records = null;
        break;
      case "loseContext":
        this.#losing = true;
        this.#surface.loseContext();
        break;
      case "dispose":
        this.#dispose();
        break;
    }
  }

  #setScene(scene: Scene): void {
    const before = this.#layers;
    this.#layers = new Map(scene.layers.map((layer) => [layer.id, layer]));
    const same = (id: number) =>
      JSON.stringify(before.get(id)) === JSON.stringify(this.#layers.get(id));
    // After a new connection ids may mean other images: pictures of those must not be shown as these.
    this.#store.drop(this.#surface.gl, (slot) => !same(slot.key[0]));
    this.#store.dropPoints((cell) => !same(cell.key[0]));
    this.#points.keepOnly(scene.layers.filter((layer) => same(layer.id)));
    const kept = scene.layers.filter((layer) => same(layer.id));
    this.#slices.keepOnly(kept);
    this.#volumes.keepOnly(kept);
    this.#settings.setScene(scene.layers);
    this.#viewChanged = true;
    const { layers, opening, notices } = scene;
    this.#post({ type: "scene", scene: { layers, opening, notices } });
    this.#invalidate();
  }

  #setCamera(camera: Camera, moving: boolean, time: number): void {
    const now = performance.now();
    // One jump is where somebody goes; changes in quick succession are a journey.
    this.#moving = moving || now - this.#movedAt < REST_MS;
    this.#movedAt = now;
    if (this.#camera && String(this.#camera.displayed) !== String(camera.displayed)) this.#turn();
    this.#camera = camera;
    this.#clock.moved(time - performance.timeOrigin);
    this.#viewChanged = true;
    clearTimeout(this.#restTimer);
    this.#restTimer = setTimeout(() => {
      if (!this.#moving) return;
      this.#moving = false;
      this.#viewChanged = true;
      this.#schedule();
    }, REST_MS);
    this.#invalidate();
  }

  /** Slices are along other axes from the next view on. */
  #turn(): void {
    this.#store.turn(this.#surface.gl, this.#generation + 1);
    this.#slices.turn();
  }

  #lostContext(): void {
    this.#losing = false;
    this.#store.lose();
    this.#slices.lose();
    this.#volumes.lose();
    this.#stream.sendLost();
    this.#viewChanged = true;
    this.#schedule();
  }

  #invalidate(): void {
    this.#stale = true;
    this.#schedule();
  }

  #schedule(): void {
    if (this.#scheduled || this.#disposed) return;
    this.#scheduled = true;
    requestAnimationFrame(() => {
      this.#scheduled = false;
      if (!this.#disposed) this.#present();
    });
  }

  #present(): void {
    const { gl, painter } = this.#surface;
    this.#sendView();
    if (!painter) return;
    this.#frame += 1;
    if (this.#store.upload(gl, this.#layers, this.#displayed, this.#frame) > 0) this.#stale = true;
    const announcing = this.#announceSettled();
    // A record ends with the frame that was complete.
    if (announcing && this.#records) this.#stale = true;
    const volume = isOfVolume(this.#camera);
    if (volume && this.#volumes.isUnfinished) {
      this.#volumes.improve();
      this.#stale = true;
    }
    const busy = volume
      ? this.#volumes.isBusy(this.#moving || !this.#isHurried())
      : this.#slices.isBusy;
    const drawn = this.#stale && !busy;
    if (drawn) this.#draw();
    else if (volume && !busy && this.#isBlurred() && this.#volumes.sharpen(this.#frame)) {
      this.#drawn(null);
    }
    if (drawn || this.#probeMoved) this.#probe();
    const evicted = this.#store.evict(
      gl,
      (slot) => this.#isPinned(slot),
      volume,
      (cell) => this.#points.isPinned(cell),
    );
    // What was just drawn is missing from the next frame, which therefore must be drawn.
    if (evicted.some((slot) => slot.drawn === this.#frame)) this.#stale = true;
    const report = this.#store.takeReport();
    if (report) this.#stream.sendAck(report.bytes, report.evicted);
    this.#reportStats(announcing);
    if (volume && (this.#volumes.isUnfinished || this.#isBlurred())) this.#schedule();
    if (this.#stale || this.#store.isWaiting || this.#settling.isPending) {
      this.#schedule();
    }
  }

  get #displayed(): Displayed {
    const camera = this.#camera;
    return {
      slice: camera?.displayed ?? DISPLAYED.slice,
      volume: camera?.volume?.displayed ?? DISPLAYED.volume,
    };
  }

  /** Whether the next frame is soon followed by another one. */
  #isHurried(): boolean {
    const loading = this.#heard?.settled !== true || this.#store.isWaiting;
    return this.#moving || loading || this.#volumes.isUnfinished;
  }

  /** Whether a volume was drawn in a hurry that is over. */
  #isBlurred(): boolean {
    return !this.#volumes.isSharp && !this.#isHurried();
  }

  #sendView(): void {
    if (!this.#viewChanged || !this.#camera || this.#size[0] < 1 || this.#size[1] < 1) return;
    if (this.#frozen && this.#generation > 0) return;
    this.#viewChanged = false;
    this.#generation += 1;
    const { center, zoom, displayed, position, volume } = this.#camera;
    const visible = this.#visible();
    const points = this.#points.looks(visible, this.#generation);
    const view = {
      generation: this.#generation,
      size: this.#size,
      position,
      visible: visible.map(({ layer }) => layer.id),
      moving: this.#moving,
      ...(Object.keys(points).length > 0 ? { points } : {}),
    };
    if (!volume) {
      this.#stream.sendView({ ...view, center, zoom, displayed });
      return;
    }
    const { orientation, perspective, quality, clip } = volume;
    const look = { center: volume.center, zoom: volume.zoom, displayed: volume.displayed };
    const how = { orientation, perspective, quality, ...(clip ? { clip } : {}) };
    this.#stream.sendVolume({ ...view, ...look, ...how });
  }

  /** `whole`: of a volume, with all pixels of the canvas whatever it takes. */
  #draw(whole = false): void {
    if (!this.#surface.painter) return;
    this.#stale = false;
    this.#surface.resize(this.#size);
    const [camera, size, clear, layers] = [this.#camera, this.#size, this.#clear, this.#visible()];
    if (isOfVolume(camera)) {
      this.#slices.lose();
      this.#volumes.draw(camera, size, clear, layers, this.#frame, whole);
      this.#catchUp();
      this.#drawn(null);
      return;
    }
    const targets = this.#heard?.targets ?? {};
    if (this.#slices.draw(camera, size, clear, layers, this.#frame, targets)) this.#catchUp();
    this.#drawn(() => this.#slices.coverage(size));
  }

  #visible(): readonly VisibleLayer[] {
    return [...this.#layers.values()]
      .map((layer) => ({ layer, settings: this.#settings.get(layer.id) }))
      .filter(({ settings }) => settings.visible);
  }

  /** A frame was drawn. `coverage` counts its pixels, where that is possible. */
  #drawn(coverage: (() => Coverage) | null): void {
    this.#clock.drawn(performance.now());
    if (this.#outlines) this.#post({ type: "outlines", outlines: this.#outlined() });
    const settled = this.#isComplete();
    if (settled) this.#settling.drawn(this.#revision);
    if (this.#records && this.#camera) {
      this.#records.push({
        time: performance.timeOrigin + performance.now(),
        center: this.#camera.center,
        zoom: this.#camera.volume?.zoom ?? this.#camera.zoom,
        ...(coverage?.() ?? { inside: 0, uncovered: 0 }),
        settled,
      });
    }
  }

  #outlined(): readonly Outline[] {
    const camera = this.#camera;
    if (!camera) return [];
    const bricks = isOfVolume(camera)
      ? this.#volumes.outlines(camera.volume.center)
      : this.#slices.outlines();
    return [...bricks, ...this.#points.outlines(camera, this.#size)];
  }

  #catchUp(): void {
    if (this.#caughtUp === this.#revision) return;
    this.#caughtUp = this.#revision;
    this.#post({ type: "caught up", revision: this.#revision });
  }

  /** Whether a frame drawn now shows all that will come for the present camera. */
  #isComplete(): boolean {
    return (
      this.#camera !== null &&
      this.#heard?.settled === true &&
      this.#heard.generation >= this.#generation &&
      !this.#viewChanged &&
      !this.#moving &&
      !this.#losing &&
      !this.#store.isWaiting &&
      (!isOfVolume(this.#camera) || this.#volumes.isSharp) &&
      !this.#stale
    );
  }

  /** Whether a complete frame has just been presented. */
  #announceSettled(): boolean {
    const announcing = this.#settling.announces(this.#revision, this.#isComplete());
    if (!announcing) return false;
    // Whatever an earlier session sent and this one did not send again may be out of date.
    const dropped = this.#store.drop(this.#surface.gl, (slot) => !slot.known);
    this.#store.dropPoints((cell) => !cell.known);
    if (dropped.length > 0) this.#stale = true;
    return true;
  }

  #isPinned(slot: Slot<unknown>): boolean {
    const layer = this.#layers.get(slot.key[0]);
    if (!layer || !this.#settings.get(layer.id).visible) return false;
    if (isOfVolume(this.#camera)) return this.#volumes.isPinned(slot, layer, this.#camera);
    return this.#slices.isPinned(slot, layer, this.#displayed.slice);
  }

  #probe(): void {
    // In 3D looking waits until all is drawn, so it is put off while there is more to come.
    this.#probeMoved = isOfVolume(this.#camera) && this.#isHurried();
    if (this.#probeMoved && !this.#moving) return;
    const probe = this.#probeMoved ? null : this.#readProbe();
    const text = JSON.stringify(probe);
    if (text === this.#probed) return;
    this.#probed = text;
    this.#post({ type: "probe", probe });
  }

  #readProbe(): Probe | null {
    const [at, camera] = [this.#probeAt, this.#camera];
    if (!at || !camera) return null;
    const probe = isOfVolume(camera)
      ? this.#volumes.probe(camera, this.#size, at)
      : this.#slices.probe(camera, this.#size, at);
    const found = this.#points.pointAt(at);
    if (!found) return probe;
    const asked = JSON.stringify(found.pick);
    if (found.pick && asked !== this.#asked) {
      this.#asked = asked;
      this.#stream.sendPick(found.pick.key, found.pick.index);
    }
    const { point } = found;
    const world: Pair = [
      point.position[camera.displayed[0]] ?? 0,
      point.position[camera.displayed[1]] ?? 0,
    ];
    const place = isOfVolume(camera) ? { place: point.position } : {};
    return { world, values: [], ...probe, ...place, point };
  }

  async #capture(id: number): Promise<void> {
    let blob: Blob | null = null;
    try {
      if (this.#surface.painter) {
        this.#draw(true);
        blob = await this.#surface.capture();
      }
    } finally {
      this.#post({ type: "captured", id, blob });
    }
  }

  #reportStats(now: boolean): void {
    const wait = now ? 0 : this.#statsAt + STATS_MS - performance.now();
    if (wait <= 0) {
      clearTimeout(this.#statsTimer);
      this.#statsTimer = undefined;
      this.#statsAt = performance.now();
      this.#post({ type: "stats", stats: this.#stats(), revision: this.#revision });
      return;
    }
    this.#statsTimer ??= setTimeout(() => {
      this.#statsTimer = undefined;
      this.#reportStats(true);
    }, wait);
  }

  #stats(): ViewerStats {
    const heard = this.#heard;
    return {
      settled: this.#settling.isAnnounced(this.#revision),
      wanted: heard?.wanted ?? 0,
      held: heard?.held ?? 0,
      failed: heard?.failed ?? 0,
      targets: heard?.targets ?? {},
      bytesRead: heard?.bytesRead ?? 0,
      cacheBytes: heard?.cacheBytes ?? 0,
      cacheBudget: heard?.cacheBudget ?? 0,
      inFlight: heard?.inFlight ?? 0,
      planMs: heard?.planMs ?? 0,
      loadedBytes: heard?.loadedBytes ?? 0,
      wastedBytes: heard?.wastedBytes ?? 0,
      slotBytes: this.#store.bytes,
      slotBudget: this.#store.slots.budget,
      slotCount: this.#store.count,
      linkBytes: this.#stream.received,
      framesPerSecond: this.#clock.framesPerSecond,
      latencyMs: this.#clock.latencyMs,
      points: this.#points.counts,
    };
  }

  #dispose(): void {
    this.#disposed = true;
    clearTimeout(this.#restTimer);
    clearTimeout(this.#statsTimer);
    this.#stream.close();
  }
}
