/** Keeps the view: reads it when the page opens, and writes it to the address and the server as it changes. */
import { effect, untracked } from "@preact/signals";
import { chooseDisplayed } from "../viewer/camera.ts";
import type { LayerSettings } from "../viewer/types.ts";
import type { Desk } from "./desk.ts";
import { leave, returned } from "./left_view.ts";
import { USUAL } from "./overlays/switches.ts";
import type { LinkedViews } from "./quad/linked_views.ts";
import {
  changedSettings,
  type Decoded,
  decodeHash,
  decodeState,
  encodeHash,
  stateForScene,
  type ViewState,
} from "./view_state.ts";

const QUIET_MS = 300;

export class ViewKeeper {
  readonly #desk: Desk;
  /** Null where there is one view only. */
  readonly #views: LinkedViews | null;
  /** Whether the server keeps the view too: a measured run must not change what a user finds. */
  readonly #saves: boolean;
  #timer: ReturnType<typeof setTimeout> | undefined;
  #written = "";
  #restored = false;
  readonly #cleanup: (() => void)[] = [];

  constructor(desk: Desk, views: LinkedViews | null, saves: boolean) {
    this.#desk = desk;
    this.#views = views;
    this.#saves = saves;
  }

  /**
   * Take up the view of the address, else the one that the server kept, else show everything.
   *
   * `saved`: what the server kept, unchecked. Waits for the first layers, since a view is checked against them.
   */
  start(saved: unknown): void {
    const stop = effect(() => {
      const layers = this.#desk.scene.value?.layers ?? [];
      if (layers.length === 0 || this.#restored) return;
      this.#restored = true;
      untracked(() => this.#restore(saved));
    });
    const watch = effect(() => {
      this.#desk.camera.value;
      this.#desk.settings.value;
      this.#desk.overlays.chosen.value;
      this.#views?.volume.value;
      if (this.#restored) this.#writeSoon();
    });
    const followHash = () => this.#followHash();
    const flush = () => {
      this.flush();
      if (this.#saves && this.#written !== "") leave(this.#written);
    };
    addEventListener("hashchange", followHash);
    addEventListener("pagehide", flush);
    this.#cleanup.push(
      stop,
      watch,
      () => removeEventListener("hashchange", followHash),
      () => removeEventListener("pagehide", flush),
      () => clearTimeout(this.#timer),
    );
  }

  /** The address of this view: it holds where one looks and nothing secret. */
  get link(): string {
    const address = new URL(location.href);
    address.searchParams.delete("token");
    address.hash = encodeHash(this.#state());
    return address.href;
  }

  /** Write now what is waiting to be written. */
  flush(): void {
    if (this.#timer === undefined) return;
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#write();
  }

  dispose(): void {
    for (const clean of this.#cleanup) clean();
  }

  #restore(saved: unknown): void {
    const fromHash = decodeHash((this.#saves && returned()) || location.hash);
    this.#report(fromHash);
    if (fromHash.state) {
      this.#apply(fromHash.state, true);
      return;
    }
    const fromServer = saved == null ? null : decodeState(saved).state;
    // What the server kept may be of other images: what does not fit is no news.
    if (fromServer) this.#apply(fromServer, false);
    else this.#desk.viewer.fit();
  }

  #apply(state: ViewState, report: boolean): void {
    const scene = this.#desk.scene.peek();
    if (scene === null) return;
    const names = new Set(Object.keys(this.#desk.colormaps));
    const fitting = stateForScene(state, scene, names);
    if (report) this.#report(fitting);
    const viewer = this.#desk.viewer;
    this.#desk.overlays.show(fitting.state?.overlays ?? USUAL);
    const layers = fitting.state?.layers ?? {};
    for (const layer of scene.layers) {
      const settings: Partial<LayerSettings> = layers[String(layer.id)] ?? {};
      viewer.setLayer(layer.id, { ...layer.defaults, ...settings });
    }
    const displayed = chooseDisplayed(scene.layers);
    if (fitting.state?.camera)
      viewer.setCamera({ volume: null, displayed, ...fitting.state.camera });
    else this.#desk.viewer.fit();
    this.#views?.close();
    if (fitting.state?.quad) this.#views?.open(fitting.state.quad);
  }

  /** A link to another view was pasted into this page's address. */
  #followHash(): void {
    const decoded = decodeHash(location.hash);
    if (location.hash === this.#written) return;
    this.#report(decoded);
    if (decoded.state) this.#apply(decoded.state, true);
  }

  #report(decoded: Decoded): void {
    for (const text of decoded.problems) this.#desk.notices.add({ severity: "warning", text });
  }

  #state(): ViewState {
    const camera = this.#desk.viewer.camera;
    const open = this.#desk.scene.peek()?.layers ?? [];
    const layers = open.map((layer) => {
      return [
        String(layer.id),
        changedSettings(this.#desk.viewer.layer(layer.id), layer.defaults),
      ] as const;
    });
    const overlays = this.#desk.overlays.chosen.peek();
    const quad = this.#views?.volume.peek();
    const usual = String(camera?.displayed) === String(chooseDisplayed(open));
    return {
      version: 1,
      camera: camera && {
        center: camera.center,
        zoom: camera.zoom,
        position: camera.position,
        ...(usual ? {} : { displayed: camera.displayed }),
        ...(camera.volume ? { volume: camera.volume } : {}),
      },
      layers: Object.fromEntries(layers.filter(([, changed]) => Object.keys(changed).length > 0)),
      ...(overlays ? { overlays } : {}),
      ...(quad ? { quad } : {}),
    };
  }

  #writeSoon(): void {
    clearTimeout(this.#timer);
    this.#timer = setTimeout(() => this.flush(), QUIET_MS);
  }

  #write(): void {
    const state = this.#state();
    if (state.camera === null) return;
    const hash = encodeHash(state);
    if (hash === this.#written) return;
    this.#written = hash;
    history.replaceState(history.state, "", hash);
    if (!this.#saves) return;
    // The address holds the view already; the banner says when the server is away.
    this.#desk.server.saveView(state).catch(() => undefined);
  }
}
