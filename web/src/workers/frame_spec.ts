/** What the host says of a frame, and what it hears of it (protocol/IMJOY.md, "The face"). */

export type FrameKind =
  | "window"
  | "iframe"
  | "web-worker"
  | "web-python"
  | "rpc-window"
  | "rpc-worker";

export type Code = {
  readonly type: "requirement" | "style" | "link" | "html" | "script" | "module";
  readonly content: string;
  readonly lang: string;
  readonly attrs: Readonly<Record<string, unknown>>;
  /** Where the host serves it, or "". */
  readonly src: string;
  /** What the plugin's author wrote, for messages. */
  readonly address: string;
};

export type PythonOfFrame = {
  readonly index: string;
  readonly packages: readonly string[];
  readonly wheels: readonly string[];
};

export type WindowOfFrame = {
  readonly title: string;
  readonly w: number | null;
  readonly h: number | null;
  readonly x: number | null;
  readonly y: number | null;
  readonly fullscreen: boolean;
  readonly standalone: boolean;
  readonly dialog: boolean;
  readonly window_id: string;
};

export type FrameSpec = {
  readonly id: string;
  readonly plugin: string;
  readonly name: string;
  readonly kind: FrameKind;
  readonly version: string;
  readonly api_version: string;
  readonly tag: string | null;
  readonly namespace: string | null;
  readonly workspace: string | null;
  readonly lang: string | null;
  readonly page: string;
  readonly worker: string;
  readonly python: PythonOfFrame | null;
  readonly permissions: readonly string[];
  readonly network: boolean;
  readonly allow_execution: boolean;
  readonly passive?: boolean;
  readonly code: readonly Code[];
  readonly names: readonly string[];
  readonly constants: Readonly<Record<string, unknown>>;
  readonly window: WindowOfFrame | null;
};

export type Carried = Readonly<Record<string, unknown>>;

/** What a frame may call. */
export type FrameApi = (name: string, args: unknown[]) => unknown;
/** How the host hears of it. */
export type Tell = (event: string, detail: Carried) => unknown;

export type Started = {
  readonly interface: Carried;
  readonly config: Carried;
  readonly stop: () => Promise<void>;
  readonly control: (name: string, args?: unknown[]) => unknown;
};

/** Where the server keeps the pages of frames. */
export type FramePlaces = {
  /** Those that reach nothing else; ends with a slash. */
  readonly closed: string;
  /** Those that may reach the network. */
  readonly open: string;
};
