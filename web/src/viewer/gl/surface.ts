/** The canvas with its GL context, which may be lost at any time and then comes back empty. */

import type { Pair } from "../types.ts";
import { ColourTables } from "./colour_tables.ts";
import { Painter } from "./painter.ts";
import { PendingFrames } from "./pending_frames.ts";
import { TexelReader } from "./texel_reader.ts";
import { VolumePainter } from "./volume_painter.ts";
import { VolumePicker } from "./volume_picker.ts";

export type SurfaceListener = { lost(): void; restored(): void };

/** How long a context that was lost on purpose stays lost. */
const RESTORE_MS = 50;

export class Surface {
  readonly gl: WebGL2RenderingContext;
  /** Null while the context is lost. */
  painter: Painter | null = null;
  volumePainter: VolumePainter | null = null;
  volumePicker: VolumePicker | null = null;
  reader: TexelReader | null = null;
  /** Of slices; volumes have a pace of their own. */
  pending: PendingFrames | null = null;
  readonly #canvas: OffscreenCanvas;
  readonly #colormaps: Readonly<Record<string, Uint8Array>>;

  constructor(
    canvas: OffscreenCanvas,
    colormaps: Readonly<Record<string, Uint8Array>>,
    listener: SurfaceListener,
  ) {
    const gl = canvas.getContext("webgl2", {
      alpha: false,
      antialias: false,
      depth: true,
      stencil: false,
      preserveDrawingBuffer: false,
      powerPreference: "high-performance",
    });
    if (!gl) throw new Error("This browser has no WebGL 2, which Opsin draws with.");
    this.gl = gl;
    this.#canvas = canvas;
    this.#colormaps = colormaps;
    canvas.addEventListener("webglcontextlost", (event) => {
      event.preventDefault();
      this.painter = null;
      this.volumePainter = null;
      this.volumePicker = null;
      this.reader = null;
      this.pending = null;
      listener.lost();
    });
    canvas.addEventListener("webglcontextrestored", () => {
      this.#create();
      listener.restored();
    });
    this.#create();
  }

  resize(size: Pair): void {
    if (this.#canvas.width !== size[0]) this.#canvas.width = size[0];
    if (this.#canvas.height !== size[1]) this.#canvas.height = size[1];
  }

  /** Only right after painting, in the same task: the drawing buffer is not preserved. */
  capture(): Promise<Blob> {
    return this.#canvas.convertToBlob({ type: "image/png" });
  }

  loseContext(): void {
    const extension = this.gl.getExtension("WEBGL_lose_context");
    extension?.loseContext();
    setTimeout(() => extension?.restoreContext(), RESTORE_MS);
  }

  #create(): void {
    const tables = new ColourTables(this.gl, this.#colormaps);
    this.painter = new Painter(this.gl, tables);
    this.volumePainter = new VolumePainter(this.gl, tables);
    this.volumePicker = new VolumePicker(this.gl, tables);
    this.reader = new TexelReader(this.gl);
    this.pending = new PendingFrames(this.gl);
  }
}
