/** The jobs of the host, and what can be done with them. */
import { computed, type ReadonlySignal, signal } from "@preact/signals";
import { sentenceOf } from "../errors.ts";
import type { Notices } from "../notices.ts";
import { formatSeconds } from "../numbers.ts";
import { datedName, saveFile } from "../save_file.ts";
import type { HostLink } from "./host_link.ts";
import type { FormValue, Job, JobNews, RunRequest } from "./host_service.ts";
import { type InputChoice, tablesOf } from "./input_choices.ts";
import { hasEnded, mergeJobs } from "./job_merge.ts";

export class Jobs {
  /** Oldest first. */
  readonly all: ReadonlySignal<readonly Job[]>;
  readonly running: ReadonlySignal<readonly Job[]>;
  readonly ended: ReadonlySignal<readonly Job[]>;
  /** Changes when a job ends, and not while one runs. */
  readonly endedCount: ReadonlySignal<number>;
  /** Without it nothing is heard of them, and nothing can be done with them. */
  readonly isConnected: ReadonlySignal<boolean>;
  /** Those that count: what a script repeats. */
  readonly steps: ReadonlySignal<readonly Job[]>;
  /** That were given and not undone, the latest first. */
  readonly tables: ReadonlySignal<readonly InputChoice[]>;
  /** The job whose parameters are being changed. */
  readonly changing = signal<Job | null>(null);
  /** The job that a notice points at. */
  readonly pointedAt = signal<string | null>(null);
  readonly #jobs = signal<readonly Job[]>([]);
  /** When each was heard of last, in the time of `performance.now`. */
  readonly #heard = new Map<string, number>();
  readonly #link: HostLink;
  readonly #notices: Notices;
  readonly #show: () => void;
  readonly #done: (job: Job) => void;
  /** Ids of those that were started here. */
  readonly #own = new Set<string>();

  /** `show`: brings the list of jobs onto the screen; `done`: one that was started here is done. */
  constructor(link: HostLink, notices: Notices, show: () => void, done: (job: Job) => void) {
    this.#link = link;
    this.#notices = notices;
    this.#show = show;
    this.#done = done;
    this.all = this.#jobs;
    this.running = computed(() => this.#jobs.value.filter((job) => !hasEnded(job)));
    this.ended = computed(() => this.#jobs.value.filter(hasEnded));
    this.steps = computed(() =>
      this.#jobs.value.filter((job) => job.state === "done" && job.request && !job.undone),
    );
    this.tables = computed(() => tablesOf(this.#jobs.value));
    this.endedCount = computed(() => this.ended.value.length);
    this.isConnected = computed(() => link.state.value === "open");
    link.watch(
      (host) => host.watch_jobs(),
      (told, isFirst) => this.#take(told, isFirst),
      (error) => this.#fail("The jobs cannot be listed", error),
    );
  }

  /** Seconds that it has run, also between two messages. */
  secondsOf(job: Job): number {
    if (hasEnded(job)) return job.seconds;
    const heard = this.#heard.get(job.id) ?? performance.now();
    return job.seconds + (performance.now() - heard) / 1000;
  }

  async run(request: RunRequest): Promise<void> {
    await this.#start(() => this.#link.host.run(request));
  }

  /** Run a job again with other parameters, and what depends on it. */
  async change(job: Job, parameters: Readonly<Record<string, FormValue>>): Promise<boolean> {
    return await this.#start(() => this.#link.host.change(job.id, parameters));
  }

  async runOnFolder(folder: string, out: string): Promise<boolean> {
    const ids = this.steps.peek().map(({ id }) => id);
    return await this.#start(() => this.#link.host.run_on_folder(ids, folder, out));
  }

  async setUndone(job: Job, undone: boolean): Promise<void> {
    try {
      await this.#link.host.set_undone(job.id, undone);
    } catch (error) {
      this.#fail(`“${job.title}” could not be ${undone ? "undone" : "done again"}`, error);
    }
  }

  /** All that counts, as a Python program. */
  async saveScript(): Promise<void> {
    try {
      const steps = this.steps.peek();
      const text = await this.#link.host.script(steps.map(({ id }) => id));
      const name = datedName(steps.at(-1)?.operation ?? "", "py", new Date());
      saveFile(name, new Blob([text], { type: "text/x-python" }));
      this.#notices.add({ severity: "info", text: `Saved ${name}.` });
    } catch (error) {
      this.#fail("The script could not be written", error);
    }
  }

  async cancel(job: Job): Promise<void> {
    try {
      await this.#link.host.cancel(job.id);
    } catch (error) {
      this.#fail(`“${job.title}” could not be cancelled`, error);
    }
  }

  async forget(jobs: readonly Job[]): Promise<void> {
    for (const job of jobs) {
      try {
        await this.#link.host.forget_job(job.id);
      } catch (error) {
        this.#fail(`“${job.title}” could not be taken from the list`, error);
        return;
      }
      this.#heard.delete(job.id);
      this.#jobs.value = this.#jobs.peek().filter((other) => other.id !== job.id);
    }
  }

  #take(told: readonly JobNews[], isFirst: boolean): void {
    const { jobs, ended } = mergeJobs(this.#jobs.peek(), told, isFirst);
    for (const job of told) this.#heard.set(job.id, performance.now());
    this.#jobs.value = jobs;
    for (const job of ended) {
      this.#announce(job);
      if (job.state === "done" && job.request && this.#own.delete(job.id)) this.#done(job);
    }
  }

  async #start(ask: () => PromiseLike<string>): Promise<boolean> {
    try {
      const id = await ask();
      this.#own.add(id);
      this.pointedAt.value = id;
      return true;
    } catch (error) {
      this.#fail("It could not be started", error);
      return false;
    }
  }

  #announce(job: Job): void {
    const show = {
      label: "Show",
      run: () => {
        this.pointedAt.value = job.id;
        this.#show();
      },
    };
    const text = endText(job);
    if (job.state !== "failed") this.#notices.add({ severity: "info", text });
    else this.#notices.add({ severity: "error", text, action: show, isOfJob: true });
  }

  #fail(what: string, error: unknown): void {
    this.#notices.add({ severity: "error", text: `${what}: ${sentenceOf(error)}` });
  }
}

function endText(job: Job): string {
  if (job.state === "cancelled") return `“${job.title}” was cancelled.`;
  if (job.state === "done") return `“${job.title}” is done, in ${formatSeconds(job.seconds)}.`;
  return `“${job.title}” failed: ${firstLine(job.error?.message ?? "")}`;
}

/** A notice is short; all of it stands with the job. */
function firstLine(message: string): string {
  const [line = ""] = message.trim().split("\n");
  return line.length > 160 ? `${line.slice(0, 159)}…` : line || "nobody knows why.";
}
