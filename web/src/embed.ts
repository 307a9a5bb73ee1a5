/**
 * `<opsin-view>`: a view of what a server shows, in any page.
 *
 *   <script type="module" src="http://127.0.0.1:8050/embed/TOKEN/opsin_view.js"></script>
 *   <opsin-view view="#view=…"></opsin-view>
 *
 * `view` is a link to a view, or the part of it behind the #; without it everything is shown. `src` is the address
 * of another server than the script's. The element's `viewer` is a `ViewerHandle`, for scripts of the page.
 */
import { colourTables } from "./api.ts";
import { newCanvas } from "./ui/canvas.ts";
import { decodeHash, stateForScene } from "./ui/view_state.ts";
import workerAddress from "./viewer/render_worker.ts?worker&url";
import type { ViewerHandle } from "./viewer/types.ts";
import { Viewer } from "./viewer/viewer.ts";

const STYLE = `
:host { display: block; position: relative; width: 100%; height: 400px; background: #000; overflow: hidden; }
canvas { position: absolute; inset: 0; width: 100%; height: 100%; cursor: crosshair; touch-action: none; }
p { position: absolute; inset: auto 0 0; margin: 0; padding: 6px 10px; background: #15181d; color: #e7eaee;
  font: 13px/1.4 system-ui, sans-serif; }
p:empty { display: none; }
`;

export class OpsinView extends HTMLElement {
  static readonly observedAttributes = ["view"];
  viewer: ViewerHandle | null = null;
  #colormaps: ReadonlySet<string> = new Set();
  #message: HTMLElement | null = null;

  connectedCallback(): void {
    const root = this.shadowRoot ?? this.attachShadow({ mode: "open" });
    const style = document.createElement("style");
    style.textContent = STYLE;
    const canvas = newCanvas("Image");
    this.#message = document.createElement("p");
    this.#message.setAttribute("role", "status");
    root.replaceChildren(style, canvas, this.#message);
    this.#open(canvas).catch((error) => this.#say(`Opsin cannot be reached: ${String(error)}`));
  }

  disconnectedCallback(): void {
    this.viewer?.dispose();
    this.viewer = null;
  }

  attributeChangedCallback(): void {
    if (this.viewer?.scene) this.#look(this.viewer);
  }

  async #open(canvas: HTMLCanvasElement): Promise<void> {
    const base = new URL(this.getAttribute("src") ?? ".", import.meta.url);
    const answer = await fetch(new URL("colormaps", base));
    if (!answer.ok) throw new Error(`it answered ${answer.status}`);
    const colormaps = colourTables(await answer.json());
    if (!this.isConnected) return;
    this.#colormaps = new Set(Object.keys(colormaps));
    const stream = new URL("stream", base).href;
    const viewer = new Viewer(canvas, { stream, colormaps }, workerOfElsewhere);
    this.viewer = viewer;
    let isNew = true;
    viewer.on("scene", ({ layers }) => {
      if (!isNew || layers.length === 0) return;
      isNew = false;
      this.#look(viewer);
    });
    viewer.on("connection", (state) => this.#say(state === "lost" ? "The server is away." : ""));
    viewer.on("notice", ({ severity, text }) => severity === "error" && this.#say(text));
  }

  #look(viewer: ViewerHandle): void {
    const link = this.getAttribute("view") ?? "";
    const { state, problems } = decodeHash(link.slice(Math.max(link.indexOf("#"), 0)));
    const { scene } = viewer;
    if (!state || !scene) {
      if (problems.length > 0) this.#say(problems.join(" "));
      return;
    }
    const fitting = stateForScene(state, scene, this.#colormaps);
    for (const layer of scene.layers) {
      const settings = fitting.state?.layers[String(layer.id)] ?? {};
      viewer.setLayer(layer.id, { ...layer.defaults, ...settings });
    }
    if (fitting.state?.camera) viewer.setCamera({ volume: null, ...fitting.state.camera });
  }

  #say(text: string): void {
    if (this.#message) this.#message.textContent = text;
  }
}

/** A worker may only be of the page's own origin; what it imports may be of any that allows it. */
function workerOfElsewhere(): Worker {
  const source = `import ${JSON.stringify(new URL(workerAddress, import.meta.url).href)};`;
  const address = URL.createObjectURL(new Blob([source], { type: "text/javascript" }));
  try {
    return new Worker(address, { type: "module" });
  } finally {
    setTimeout(() => URL.revokeObjectURL(address), 60_000);
  }
}

if (!customElements.get("opsin-view")) customElements.define("opsin-view", OpsinView);
