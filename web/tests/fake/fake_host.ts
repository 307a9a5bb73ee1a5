/** A host that runs nothing and says that it did, over the real RPC. */
import { memoryLink, Peer, type Remote } from "../../src/rpc/index.ts";
import type {
  Answer,
  Estimate,
  FormValue,
  HostService,
  Job,
  JobError,
  Permission,
  Plugin,
  PluginSource,
  RunRequest,
} from "../../src/ui/host/host_service.ts";
import type { DeskHost, FaceService } from "../../src/ui/plugins/service.ts";
import { FakeDesk } from "./fake_desk.ts";
import { Feed } from "./feed.ts";

type Serving = {
  [K in keyof HostService]: (
    ...args: Parameters<HostService[K]>
  ) => ReturnType<HostService[K]> | Promise<ReturnType<HostService[K]>>;
} & { desk(face: Remote<FaceService>): unknown };

export const ESTIMATE: Estimate = {
  level: 1,
  axes: "yx",
  shape: [2048, 1536],
  calls: 1,
  input_bytes: 6_291_456,
  worker_bytes: 188_743_680,
  seconds: 3.4,
  measured: false,
  available_bytes: 6_120_328_704,
  warning: null,
};

export class FakeHost implements Serving {
  plugins: readonly Plugin[];
  jobs: readonly Job[] = [];
  readonly calls: string[] = [];
  /** By ids of plugins that are kept. */
  readonly sources = new Map<string, PluginSource>();
  /** Of the page that came last. */
  deskOfPage: FakeDesk | null = null;
  onDesk: (desk: FakeDesk) => void = () => {};
  /** What the next call of a method fails with. */
  readonly failures = new Map<keyof DeskHost, string>();
  estimateOf: (request: RunRequest) => Estimate | Promise<Estimate> = () => ESTIMATE;
  /** What happens to a job after `run`. */
  onRun: (job: Job) => void = () => {};
  onLayer: (id: number, isThere: boolean) => void = () => {};
  isReachable = true;
  readonly #plugins = new Feed<readonly Plugin[]>();
  readonly #jobs = new Feed<readonly Job[]>();
  readonly #peers = new Set<Peer>();

  constructor(plugins: readonly Plugin[] = []) {
    this.plugins = plugins;
  }

  /** A page comes. */
  readonly dial = async (): Promise<Peer> => {
    if (!this.isReachable) throw new Error("nobody answers");
    const [here, there] = memoryLink();
    const host = new Peer(here, { service: this });
    const page = new Peer(there);
    this.#peers.add(host);
    await page.opened;
    return page;
  };

  /** Every link ends. */
  hangUp(): void {
    for (const peer of this.#peers) peer.close();
    this.#peers.clear();
  }

  showPlugins(plugins: readonly Plugin[]): void {
    this.plugins = plugins;
    this.#plugins.say(plugins);
  }

  /** A job that is new or has changed. */
  showJob(job: Job): void {
    const isNew = !this.jobs.some(({ id }) => id === job.id);
    this.jobs = isNew
      ? [...this.jobs, job]
      : this.jobs.map((one) => (one.id === job.id ? job : one));
    this.#jobs.say([job]);
  }

  changeJob(id: string, more: Partial<Job>): void {
    const job = this.jobs.find((one) => one.id === id);
    if (job) this.showJob({ ...job, ...more });
  }

  job(id: string): Job | undefined {
    return this.jobs.find((one) => one.id === id);
  }

  async *watch_plugins() {
    this.#called("watch_plugins");
    yield* this.#plugins.from(this.plugins);
  }

  async *watch_jobs() {
    this.#called("watch_jobs");
    yield* this.#jobs.from(this.jobs);
  }

  add_plugin(file_name: string, text: string): Plugin {
    this.#called("add_plugin", file_name, text.length);
    const plugin = pluginFrom(file_name, text);
    this.showPlugins([...this.plugins.filter(({ id }) => id !== plugin.id), plugin]);
    return plugin;
  }

  plugin_source(id: string): PluginSource {
    this.#called("plugin_source", id);
    const found = this.sources.get(id);
    if (!found) throw new Error(`${id} is not kept by Opsin: change its file.`);
    return found;
  }

  remove_plugin(id: string): void {
    this.#called("remove_plugin", id);
    this.showPlugins(this.plugins.filter((plugin) => plugin.id !== id));
  }

  answer(id: string, answers: Readonly<Record<string, Answer>>, terms: string): Plugin {
    this.#called("answer", id, answers, terms);
    this.showPlugins(
      this.plugins.map((plugin) => {
        if (plugin.id !== id) return plugin;
        const permissions = plugin.permissions.map((one): Permission => {
          const answer = answers[one.name];
          if (answer === undefined) return one;
          const folders = typeof answer === "boolean" ? [] : answer;
          const isAllowed = answer === true || folders.length > 0;
          return { ...one, state: isAllowed ? "allowed" : "refused", folders };
        });
        return { ...plugin, permissions };
      }),
    );
    const found = this.plugins.find((plugin) => plugin.id === id);
    if (!found) throw new Error("That plugin is not here any more.");
    return found;
  }

  estimate(request: RunRequest): Estimate | Promise<Estimate> {
    this.#called("estimate", request);
    return this.estimateOf(request);
  }

  run(request: RunRequest): string {
    this.#called("run", request);
    const plugin = this.plugins.find(({ id }) => id === request.plugin);
    const operation = plugin?.operations.find(({ name }) => name === request.operation);
    const job = jobOf(String(this.jobs.length + 1), {
      title: operation?.title ?? request.operation,
      request,
    });
    this.showJob(job);
    this.onRun(job);
    return job.id;
  }

  script(ids: readonly string[]): string {
    this.#called("script", ids);
    return "import opsin\n";
  }

  set_undone(id: string, undone: boolean): void {
    this.#called("set_undone", id, undone);
    this.changeJob(id, { undone });
  }

  change(id: string, parameters: Readonly<Record<string, FormValue>>): string {
    this.#called("change", id, parameters);
    const request = this.job(id)?.request;
    if (!request) throw new Error("That job is not here any more.");
    return this.run({ ...request, parameters });
  }

  run_on_folder(ids: readonly string[], folder: string, out: string): string {
    this.#called("run_on_folder", ids, folder, out);
    const job = jobOf(String(this.jobs.length + 1), { title: folder, request: null });
    this.showJob(job);
    return job.id;
  }

  cancel(id: string): void {
    this.#called("cancel", id);
    this.changeJob(id, { state: "cancelled" });
  }

  forget_job(id: string): void {
    this.#called("forget_job", id);
    this.jobs = this.jobs.filter((job) => job.id !== id);
  }

  send_to_napari(id: number): readonly string[] {
    this.#called("send_to_napari", id);
    return [`layer ${id}`];
  }

  remove_layer(id: number): void {
    this.#called("remove_layer", id);
    this.onLayer(id, false);
  }

  restore_layer(id: number): void {
    this.#called("restore_layer", id);
    this.onLayer(id, true);
  }

  desk(face: Remote<FaceService>): FakeDesk {
    this.#called("desk");
    this.deskOfPage = new FakeDesk(face);
    this.onDesk(this.deskOfPage);
    return this.deskOfPage;
  }

  #called(method: keyof DeskHost, ...args: readonly unknown[]): void {
    this.calls.push([method, ...args.map((arg) => JSON.stringify(arg))].join(" "));
    const failure = this.failures.get(method);
    this.failures.delete(method);
    if (failure !== undefined) throw new Error(failure);
  }
}

export const REQUEST: RunRequest = {
  plugin: "nuclei.py",
  operation: "nuclei",
  inputs: {},
  parameters: {},
  where: { region: "whole", level: 0, slices: "shown", position: {} },
};

export function jobOf(id: string, more: Partial<Job> = {}): Job {
  return {
    id,
    title: "Nuclei",
    plugin: "nuclei.py",
    operation: "nuclei",
    request: REQUEST,
    state: "queued",
    done: null,
    total: null,
    text: "",
    started: 1_700_000_000,
    seconds: 0,
    error: null,
    log: [],
    undone: false,
    layers: [],
    files: [],
    ...more,
  };
}

export const FAILURE: JobError = {
  type: "ValueError",
  message:
    "sigma must be positive, and smaller than the image:\ngot 2000.0 for an image of 512 × 512",
  traceback: `Traceback (most recent call last):
  File "plugins/nuclei.py", line 47, in nuclei
    smooth = gaussian(image.astype(np.float32), sigma)
  File "~/.local/share/opsin/environments/5f1c/lib/python3.12/site-packages/skimage/filters/_gaussian.py", line 148, in gaussian
    raise ValueError(f"sigma must be positive, and smaller than the image:\\ngot {sigma} for an image of 512 × 512")
ValueError: sigma must be positive, and smaller than the image:
got 2000.0 for an image of 512 × 512`,
};

function pluginFrom(file_name: string, text: string): Plugin {
  const name = file_name.replace(/\.py$/, "");
  const found = [...text.matchAll(/^def ([a-z]\w*)/gm)].map((match) => match[1] ?? "");
  const wrong = `${file_name} has no operation: a function whose parameters and result have types.`;
  return {
    id: file_name,
    kind: "native-python",
    name,
    version: "0",
    description: "",
    source: file_name,
    error: found.length === 0 ? wrong : null,
    permissions: [],
    asks: [],
    terms: "",
    may_allow: true,
    operations: found.map((operation) => ({
      name: operation,
      title: operation,
      description: "",
      inputs: [],
      outputs: [],
      form: { title: operation, properties: {}, required: [] },
      refused: "",
    })),
  };
}
