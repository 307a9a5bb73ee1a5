/** The words of the viewer: what the page, the render worker and the server say to each other. */

/** World or level coordinates on the two displayed axes: [first axis (y), second axis (x)]. */
export type Pair = readonly [number, number];

export type AxisType = "space" | "time" | "channel" | "other";
export type Axis = { readonly name: string; readonly type: AxisType; readonly unit: string | null };

export type Level = {
  readonly shape: readonly number[];
  readonly scale: readonly number[];
  readonly translation: readonly number[];
};

export type LayerKind = "image" | "labels" | "rgb" | "points";
export type Blending = "translucent" | "additive" | "opaque" | "minimum";
export type WireType =
  | "uint8"
  | "int8"
  | "uint16"
  | "int16"
  | "uint32"
  | "int32"
  | "float32"
  | "uint64";

/** How a layer is drawn. All of it can be changed without fetching anything again. */
export type LayerSettings = {
  readonly visible: boolean;
  readonly opacity: number;
  readonly contrast: Pair;
  readonly gamma: number;
  /** A name that the server knows, or `#rrggbb` for black to that colour. */
  readonly colormap: string;
  readonly blending: Blending;
  /** Of labels: device pixels of their outline, without what is inside; 0, as usual: filled. */
  readonly contour?: number;
  /** Of labels: the one that is shown alone, as a decimal string; "", as usual: all. */
  readonly only?: string;
  /** Of labels: those that are not shown. */
  readonly hidden?: readonly string[];
  /** Of points: the diameter of the (largest) discs, in device pixels or in the world. */
  readonly size?: number;
  readonly unit?: "screen" | "world";
  /** Of points, all of one colour. */
  readonly colour?: string;
  /** Of points: the property that gives the colour (by contrast and colour map), or the size; "": none. */
  readonly colourBy?: string;
  readonly sizeBy?: string;
  /** Of points: how thick a slice is shown along axes that are not displayed; without: all there is. */
  readonly thickness?: Readonly<Record<string, number>>;
};

/** A number or a word that every point has. */
export type Property = {
  readonly name: string;
  readonly dtype: string;
  /** Lowest and highest number; null where it has none. */
  readonly range: Pair | null;
  /** How many words there are, if it has words. */
  readonly categories: number;
};

export type VisibleLayer = { readonly layer: Layer; readonly settings: LayerSettings };

/** A layer as the server describes it (protocol/VIEW.md). */
export type Layer = {
  readonly id: number;
  readonly name: string;
  readonly kind: LayerKind;
  readonly dtype: WireType;
  readonly data_dtype: string;
  readonly samples: 1 | 3 | 4;
  readonly axes: readonly Axis[];
  readonly levels: readonly Level[];
  /** Coarser ones behind these, in 3D only. */
  readonly deeper?: readonly Level[];
  readonly defaults: LayerSettings;
  readonly range: Pair;
  /** Rows and columns of its bricks; 512 where it says nothing. */
  readonly brick?: number;
  /** Of points only. */
  readonly points?: { readonly count: number; readonly properties: readonly Property[] };
};

export type Notice = { readonly severity: "info" | "warning" | "error"; readonly text: string };
export type Scene = {
  readonly layers: readonly Layer[];
  /** How many more are on their way. */
  readonly opening: number;
  readonly notices: readonly Notice[];
};

/** Along the three axes that a volume displays: [z, y, x]. */
export type Triple = readonly [number, number, number];
/** [w, x, y, z], the last three along the world's x, y and z. */
export type Quaternion = readonly [number, number, number, number];
export type Mode = "mip" | "average" | "minip" | "translucent" | "iso";
/** Low and high corner in the world. */
export type Box = readonly [low: Triple, high: Triple];

/** How one looks at a volume (protocol/VIEW.md), and how what lies behind one another becomes a picture. */
export type VolumeView = {
  readonly center: Triple;
  /** Device pixels per world unit, at the centre. */
  readonly zoom: number;
  readonly orientation: Quaternion;
  /** Degrees from top to bottom; 0: none. */
  readonly perspective: number;
  readonly displayed: readonly [string, string, string];
  readonly mode: Mode;
  /** Of translucent layers: 1 / the length that lets 1/e of the light through. Null: what suits the canvas. */
  readonly density: number | null;
  /** The value of the surface. Null: the middle of the contrast limits. */
  readonly threshold: number | null;
  /** Voxels per device pixel. */
  readonly quality: number;
  /** Only what is in it is shown. */
  readonly clip: Box | null;
};

/**
 * Where one looks. `zoom` is device pixels per world unit; `position` covers every other axis. While there is a
 * `volume`, that is what is looked at, and centre and zoom are those of the slice to go back to.
 */
export type Camera = {
  readonly center: Pair;
  readonly zoom: number;
  readonly position: Readonly<Record<string, number>>;
  readonly displayed: readonly [string, string];
  readonly volume?: VolumeView | null;
};

/** The loader's numbers (from the server) beside the canvas's own. */
export type ViewerStats = {
  readonly settled: boolean;
  readonly wanted: number;
  readonly held: number;
  readonly failed: number;
  readonly targets: Readonly<Record<string, number>>;
  readonly bytesRead: number;
  readonly cacheBytes: number;
  readonly cacheBudget: number;
  readonly inFlight: number;
  readonly planMs: number;
  /** Bytes of chunks that came, and of those that no view had used when they were let go of. */
  readonly loadedBytes: number;
  readonly wastedBytes: number;
  readonly slotBytes: number;
  readonly slotBudget: number;
  readonly slotCount: number;
  readonly linkBytes: number;
  readonly framesPerSecond: number;
  /** Milliseconds from the last camera change to the frame that shows it. */
  readonly latencyMs: number;
  /** Of layers of points, by id: how many points are drawn. */
  readonly points?: Readonly<Record<string, number>>;
};

/** What lies under the pointer. Values come from the brick that is drawn there. */
export type Probe = {
  /** Along the axes that slices display. */
  readonly world: Pair;
  /** In 3D: by axis, where what is seen of the uppermost layer lies. */
  readonly place?: Readonly<Record<string, number>>;
  readonly values: readonly {
    readonly layer: number;
    /** A decimal string: a 64-bit label does not fit a number. RGB: "r, g, b". Null outside. */
    readonly value: string | null;
    readonly level: number | null;
  }[];
  /** The uppermost point there. */
  readonly point?: PointedPoint;
};

export type PointedPoint = {
  readonly layer: number;
  /** Device pixels. */
  readonly place: Pair;
  readonly radius: number;
  /** In the world, by axis. */
  readonly position: Readonly<Record<string, number>>;
  /** Null until they have come. */
  readonly properties: Readonly<Record<string, number | string | null>> | null;
};

export type Failure = { readonly layer: number; readonly level: number; readonly reason: string };

/** A chunk that the loader asked a source for, for any view. */
export type RequestRecord = {
  /** Null: a layer that is not shown any more. */
  readonly layer: number | null;
  readonly level: number;
  readonly grid: readonly number[];
  /** Milliseconds since it was asked for, and until it was here or given up. */
  readonly agoMs: number;
  readonly tookMs: number;
  readonly bytes: number;
  /** "memory", "disk", "network" or "computed" */
  readonly provenance: string;
  /** "came", "given up" or "failed" */
  readonly end: string;
};

/** A brick, or a cell of points, from which something on the canvas is drawn. */
export type Outline = {
  readonly layer: number;
  /** Null: nothing could be had for this place. */
  readonly level: number | null;
  /** Where it came from: "memory", "disk", "network", "computed"; or "failed". */
  readonly provenance: string;
  /** Device pixels, half open; of a volume its corners in the world, along the displayed axes. */
  readonly place:
    | { readonly x0: number; readonly y0: number; readonly x1: number; readonly y1: number }
    | Box;
};

export type ConnectionState = "connecting" | "open" | "lost" | "closed";

/** Everything that a viewer tells the page that embeds it. */
export type ViewerEvents = {
  scene: Scene;
  camera: Camera;
  layer: { readonly id: number; readonly settings: LayerSettings };
  stats: ViewerStats;
  probe: Probe | null;
  failure: Failure;
  /** Only while they are watched. */
  requests: readonly RequestRecord[];
  /** Only while they are watched: with every frame that was drawn. */
  outlines: readonly Outline[];
  notice: Notice;
  connection: ConnectionState;
};

/** What `recordFrames` saw of one presented frame (for tests and benchmarks). */
export type FrameRecord = Coverage & {
  readonly time: number;
  readonly center: Pair;
  readonly zoom: number;
  readonly settled: boolean;
};

export type Coverage = {
  /** Canvas pixels inside a visible layer's extent. */
  readonly inside: number;
  /** Those of them that no brick covered. */
  readonly uncovered: number;
};

export type ViewerOptions = {
  /** WebSocket address of the view stream; relative addresses are resolved against the page. */
  readonly stream: string;
  /** Colour tables by name, 256 × RGB each. */
  readonly colormaps: Readonly<Record<string, Uint8Array>>;
  /** Bytes of textures that the canvas may hold. */
  readonly slots?: number;
  /** Background; default is black. Components 0…1. */
  readonly clear?: readonly [number, number, number];
};

/**
 * A canvas that shows layers and keeps showing the best it holds.
 *
 * The page owns the canvas element; input handling, overlays and panels stand around it and call this.
 */
export interface ViewerHandle {
  readonly scene: Scene | null;
  readonly camera: Camera | null;
  /** Current settings of a layer; its defaults until `setLayer` changed them. */
  layer(id: number): LayerSettings;
  /** Size of the canvas in device pixels: [width, height]. */
  readonly size: readonly [number, number];
  on<K extends keyof ViewerEvents>(type: K, handler: (event: ViewerEvents[K]) => void): () => void;
  setCamera(
    camera: Partial<Pick<Camera, "center" | "zoom" | "position" | "displayed" | "volume">>,
  ): void;
  /** The axes along which the layers that are shown are a volume: depth, row, column. Null: they are none. */
  readonly volumeAxes: VolumeView["displayed"] | null;
  /** Look at the volume, as it was looked at last, or again at a slice. */
  showVolume(shown: boolean): void;
  /** Walk around a volume by a drag of so many canvas CSS pixels. */
  orbitBy(dx: number, dy: number): void;
  /** Show all visible layers whole. */
  fit(): void;
  /** Move by canvas CSS pixels. */
  panBy(dx: number, dy: number): void;
  /** Multiply the zoom, keeping the world under a canvas CSS pixel in place (default: the middle). */
  zoomBy(factor: number, at?: readonly [x: number, y: number]): void;
  setLayer(id: number, settings: Partial<LayerSettings>): void;
  /** Report what is under this canvas CSS pixel by `probe` events, now and when it changes. */
  probeAt(at: readonly [x: number, y: number] | null): void;
  /** World position of a canvas CSS pixel. */
  toWorld(at: readonly [x: number, y: number]): Pair;
  retryFailed(): void;
  /** Have `requests` events told, or no more. */
  watchRequests(on: boolean): void;
  /** Have `outlines` events told, or no more. */
  watchOutlines(on: boolean): void;
  /** Bytes of textures that the canvas may hold: what wants more is shown coarser. */
  readonly slots: number;
  setSlots(bytes: number): void;
  /** Have nothing more loaded for where one looks, until it is called again. */
  freeze(on: boolean): void;
  /** Whether every visible layer shows the slice that the camera asks for (not yet sharp, maybe). */
  readonly caughtUp: boolean;
  /** Resolves when the presented frame shows the current camera completely (or failed there). */
  settled(): Promise<void>;
  /** The canvas as a PNG, exactly what is presented. */
  capture(): Promise<Blob>;
  /** Record every presented frame until the returned function is called. */
  recordFrames(): () => Promise<readonly FrameRecord[]>;
  /** Lose and restore the GL context (tests). */
  loseContext(): void;
  dispose(): void;
}
