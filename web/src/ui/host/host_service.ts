/** The host as a page sees it over the RPC (protocol/HOST.md). Names are those on the wire. */

export type Permission = {
  readonly name: string;
  readonly reason: string;
  /** "unasked" is as good as "refused", but for that; "always" needs not be allowed. */
  readonly state: "allowed" | "refused" | "unasked" | "always";
  /** Of "files", that may be read. */
  readonly folders: readonly string[];
};

/** Whether it is allowed; of "files", the folders that may be read. */
export type Answer = boolean | readonly string[];

export type PluginInput = {
  readonly name: string;
  readonly kind: string;
  readonly title: string;
  readonly description: string;
  readonly axes: string | null;
  readonly lazy: boolean;
  readonly optional: boolean;
};

/** A file that a plugin can be given; empty lists: any. */
export type FileInput = {
  readonly name: string;
  readonly title: string;
  /** Without a dot. */
  readonly extensions: readonly string[];
  /** MIME types, such as "image/*". */
  readonly types: readonly string[];
  /** Bytes. */
  readonly smallest: number;
  readonly largest: number | null;
};

export type PluginOutput = {
  readonly kind: string;
  readonly title: string;
  readonly description: string;
  readonly axes: string | null;
};

export type FormValue = string | number | boolean | null;

export type FormProperty = {
  readonly type: string | readonly string[];
  readonly title: string;
  readonly description?: string;
  readonly default?: FormValue;
  readonly minimum?: number;
  readonly maximum?: number;
  readonly exclusiveMinimum?: number;
  readonly exclusiveMaximum?: number;
  readonly multipleOf?: number;
  readonly enum?: readonly FormValue[];
  readonly format?: string;
  readonly step?: number;
  readonly unit?: string;
};

export type Form = {
  readonly title: string;
  readonly properties: Readonly<Record<string, FormProperty>>;
  readonly required: readonly string[];
};

export type PluginOperation = {
  readonly name: string;
  readonly title: string;
  readonly description: string;
  readonly inputs: readonly PluginInput[];
  /** A host may not tell. */
  readonly files?: readonly FileInput[];
  readonly outputs: readonly PluginOutput[];
  readonly form: Form;
  /** Why it cannot be run here; empty: it can. */
  readonly refused: string;
};

export type Plugin = {
  readonly id: string;
  /** "napari" for an installed plugin of napari. */
  readonly kind: string;
  readonly name: string;
  readonly version: string;
  readonly description: string;
  readonly source: string;
  readonly error: string | null;
  readonly permissions: readonly Permission[];
  /** Names of permissions about which its user should be asked. */
  readonly asks: readonly string[];
  /** What an answer is about. */
  readonly terms: string;
  /** Whether pages may answer; else that is done where the host runs. */
  readonly may_allow: boolean;
  readonly operations: readonly PluginOperation[];
  /** Categories that its author gives; a host may not tell. */
  readonly labels?: readonly string[];
  /** Where it came from, and can be fetched anew; "": nowhere. A host may not tell. */
  readonly origin?: string;
  /** Whether its file is one of the host's own, which can be changed here and goes with it; a host may not tell. */
  readonly kept?: boolean;
  /** Whether its operations were found to be functions of their input alone; a host may not tell. */
  readonly verified?: boolean;
};

export type Where =
  | {
      readonly region: "visible";
      readonly center: readonly [number, number];
      readonly zoom: number;
      readonly size: readonly [number, number];
      readonly displayed: readonly [string, string];
      readonly position: Readonly<Record<string, number>>;
    }
  | {
      readonly region: "whole";
      readonly level: number;
      readonly slices: "shown" | "all";
      readonly position: Readonly<Record<string, number>>;
    };

export type RunRequest = {
  readonly plugin: string;
  readonly operation: string;
  /** Ids of layers, or addresses of tables that jobs gave. */
  readonly inputs: Readonly<Record<string, number | string>>;
  readonly parameters: Readonly<Record<string, FormValue>>;
  readonly where: Where;
  /** That each call works on, if the operation declares none; without it: planes. */
  readonly axes?: string;
  /** Compute it, even if what a verified operation gave for the same input is kept. */
  readonly anew?: boolean;
};

/** The file of a plugin. */
export type PluginSource = { readonly file_name: string; readonly text: string };

export type Estimate = {
  readonly level: number;
  readonly axes: string;
  readonly shape: readonly number[];
  readonly calls: number;
  readonly input_bytes: number;
  readonly worker_bytes: number;
  readonly seconds: number | null;
  readonly measured: boolean;
  readonly available_bytes: number;
  readonly warning: string | null;
  /** Points, or rows of tables, at most; an older host does not tell. */
  readonly rows?: number;
};

export type JobStateName =
  | "queued"
  | "preparing"
  | "running"
  | "writing"
  | "done"
  | "failed"
  | "cancelled";

export type JobError = {
  readonly type: string;
  readonly message: string;
  readonly traceback: string;
};

/** A table, to be had as CSV under its name. */
export type ResultFile = {
  readonly name: string;
  readonly rows: number;
  readonly address: string;
};

/** Where a result lies on the machine of the host: a file or a folder. */
export type ResultPlace = {
  readonly name: string;
  readonly path: string;
};

export type Job = {
  readonly id: string;
  readonly title: string;
  readonly plugin: string;
  readonly operation: string;
  /** What `run` was given; null of a run on a folder. */
  readonly request: RunRequest | null;
  readonly state: JobStateName;
  readonly done: number | null;
  readonly total: number | null;
  readonly text: string;
  readonly started: number;
  readonly seconds: number;
  readonly error: JobError | null;
  readonly log: readonly string[];
  /** It does not count any more. */
  readonly undone: boolean;
  readonly layers: readonly number[];
  readonly files: readonly ResultFile[];
  /** What keeps the plugin apart, and from what; empty before it runs. A host may not tell. */
  readonly isolation?: string;
  /** What the plugin was allowed beside what every plugin may; a host may not tell. */
  readonly permissions?: readonly string[];
  /** Of all results; a host may not tell. */
  readonly places?: readonly ResultPlace[];
};

/** A job as it is told of; `log` is null where it is what was told last. */
export type JobNews = Omit<Job, "log"> & { readonly log: readonly string[] | null };

export interface HostService {
  watch_plugins(): AsyncIterable<readonly Plugin[]>;
  add_plugin(file_name: string, text: string): Plugin;
  plugin_source(id: string): PluginSource;
  remove_plugin(id: string): void;
  answer(id: string, answers: Readonly<Record<string, Answer>>, terms: string): Plugin;
  estimate(request: RunRequest): Estimate;
  run(request: RunRequest): string;
  script(jobs: readonly string[]): string;
  set_undone(job: string, undone: boolean): void;
  change(job: string, parameters: Readonly<Record<string, FormValue>>): string;
  run_on_folder(jobs: readonly string[], folder: string, out: string): string;
  cancel(job: string): void;
  watch_jobs(): AsyncIterable<readonly JobNews[]>;
  forget_job(job: string): void;
  send_to_napari(id: number): readonly string[];
  remove_layer(id: number): void;
  restore_layer(id: number): void;
}
