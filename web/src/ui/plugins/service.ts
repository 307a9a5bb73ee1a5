/** The desk as a page calls it, and the face as the host calls it (protocol/IMJOY.md). Names are those on the wire. */

import type { Reference } from "../../rpc/index.ts";
import type {
  FrameApi,
  FrameSpec,
  Started,
  Tell,
  WindowOfFrame,
} from "../../workers/frame_spec.ts";
import type { FormProperty, HostService } from "../host/host_service.ts";

export type LoadedState = "loading" | "ready" | "running" | "failed" | "ended";

export type Loaded = {
  readonly id: string;
  /** In the list of plugins, or "". */
  readonly plugin: string;
  readonly name: string;
  readonly kind: string;
  readonly tag: string;
  readonly version: string;
  readonly state: LoadedState;
  readonly error: string | null;
  readonly status: string;
  /** 0 to 1, or null. */
  readonly progress: number | null;
  readonly functions: readonly string[];
  readonly windows: readonly string[];
  /** What keeps it apart, and from what; "": nothing needs to, or nobody knows yet. */
  readonly isolation?: string;
  /** Whether it can be run from a menu. */
  readonly runnable?: boolean;
};

export type Line = {
  /** Seconds since 1970. */
  readonly time: number;
  readonly level: "log" | "info" | "error" | "status";
  readonly text: string;
  /** A data address. */
  readonly image?: string;
};

export type FolderEntry = {
  readonly name: string;
  readonly path: string;
  readonly is_folder: boolean;
  /** Bytes. */
  readonly size: number;
};

/** A folder of the host's computer. */
export type Folder = {
  readonly path: string;
  /** "": there is none above. */
  readonly parent: string;
  readonly entries: readonly FolderEntry[];
};

/** A plugin of a repository. */
export type Offered = {
  readonly name: string;
  readonly description: string;
  /** For `load`. */
  readonly uri: string;
};

export interface DeskService {
  load(source: string, tag?: string): Loaded;
  /** Whether there was something newer. */
  update(plugin: string): boolean;
  open_link(address: string): void;
  repository(name: string): readonly Offered[];
  /** "": the user's own folder. */
  list_files(path: string): Folder;
  run(source: string, context?: unknown): unknown;
  stop(id: string): void;
  reload(id: string): Loaded;
  watch(): AsyncIterable<readonly Loaded[]>;
  log(id: string): AsyncIterable<Line>;
  open_window(name: string, data?: unknown): string;
}

/** A host with desks. */
export interface DeskHost extends HostService {
  desk(face: Reference<FaceService>): Reference<DeskService>;
}

/** The plugin that asks. */
export type About = { readonly id: string; readonly name: string };
export type Told = { readonly title?: string; readonly content: string };
export type Asked = Told & { readonly placeholder?: string; readonly value?: string };
export type FormSpec = {
  readonly title: string;
  /** HTML or markdown around the form. */
  readonly text: string;
  readonly schema: {
    readonly title?: string;
    readonly properties: Readonly<Record<string, FormProperty>>;
    readonly required?: readonly string[];
  };
};
export type FileWish = {
  readonly type: "file" | "directory";
  readonly mode?: string;
  readonly title?: string;
  readonly root?: string;
};
export type ChosenFile = { readonly name: string; readonly path: string; readonly url?: string };

export type BuiltIn = WindowOfFrame & {
  readonly id: string;
  /** Such as "imjoy/image". */
  readonly type: string;
  readonly data: unknown;
  /** Of `imjoy/joy`, as its plugin wrote it. */
  readonly ui?: unknown;
  /** The same, read by the host. */
  readonly form?: Pick<FormSpec, "text" | "schema"> | null;
};

/** What runs frames: `startFrame` of `workers/`. */
export type StartFrame = (
  frame: FrameSpec,
  api: FrameApi,
  tell: Tell,
  place: HTMLElement,
) => Promise<Started>;

export interface FaceService {
  alert(about: About, told: Told): unknown;
  confirm(about: About, told: Told): unknown;
  prompt(about: About, asked: Asked): unknown;
  form(about: About, form: FormSpec): unknown;
  show_message(about: About, text: string, seconds: number): void;
  show_status(about: About, text: string): void;
  show_progress(about: About, fraction: number | null): void;
  log(about: About, line: Line): void;
  choose_files(about: About, wish: FileWish): unknown;
  save_file(about: About, name: string, bytes: unknown, mime: string): void;
  open_url(about: About, address: string): void;
  start(frame: FrameSpec, api: FrameApi, tell: Tell): unknown;
  built_in(window: BuiltIn, tell: Tell): unknown;
}
