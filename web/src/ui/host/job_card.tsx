/** One job: how far it is, or how it ended. */
import { useSignal } from "@preact/signals";
import { useEffect, useReducer, useRef } from "preact/hooks";
import { layerSwatch } from "../colour_ramp.ts";
import type { Desk } from "../desk.ts";
import { Icon, IconButton } from "../icons.tsx";
import { formatClock, formatSeconds } from "../numbers.ts";
import type { Job, JobError, JobStateName, ResultFile } from "./host_service.ts";
import { hasEnded, progressOf } from "./job_merge.ts";
import { JobOutput } from "./job_output.tsx";
import type { Jobs } from "./jobs.ts";
import type { LayerBin } from "./layer_bin.ts";
import { ResultPlaces } from "./result_places.tsx";

const STATE_TEXT: Readonly<Record<JobStateName, string>> = {
  queued: "Waiting",
  preparing: "Preparing",
  running: "Running",
  writing: "Writing the result",
  done: "Done",
  failed: "Failed",
  cancelled: "Cancelled",
};
/** The type of an error that an install ends with. */
const NO_PACKAGES = "EnvironmentFailed";
/** Larger numbers of steps are told as a share. */
const MOST_STEPS = 9_999;

type JobCardProps = {
  readonly desk: Desk;
  readonly jobs: Jobs;
  readonly bin: LayerBin;
  readonly job: Job;
  /** Opens the form with what the job was given. */
  readonly onChange: (job: Job) => void;
  /** Looks for what the table at an address can be run with. */
  readonly onRun: (address: string) => void;
};

export function JobCard({ desk, jobs, bin, job, onChange, onRun }: JobCardProps) {
  const card = useRef<HTMLLIElement>(null);
  const isPointedAt = jobs.pointedAt.value === job.id;
  useEffect(() => {
    if (isPointedAt) card.current?.scrollIntoView({ block: "nearest" });
  }, [isPointedAt]);
  const ended = hasEnded(job);
  return (
    <li
      ref={card}
      class={`job job-${job.state}${job.undone ? " job-undone" : ""}`}
      aria-label={job.title}
    >
      <header class="job-header">
        {job.state === "done" && <Icon name="done" />}
        {job.state === "failed" && <Icon name="warning" />}
        <span class="job-title" title={job.title}>
          {job.title}
        </span>
        <span class="dim job-time">
          {ended && job.state !== "done" && STATE_TEXT[job.state].toLowerCase()}
          {job.undone && "undone"}
          {ended || jobs.isConnected.value ? (
            <Elapsed jobs={jobs} job={job} />
          ) : (
            <span>no connection</span>
          )}
        </span>
        {ended ? (
          <>
            <Repeating jobs={jobs} job={job} onChange={onChange} />
            <IconButton icon="close" label="Dismiss" onClick={() => void jobs.forget([job])} />
          </>
        ) : (
          <CancelButton jobs={jobs} job={job} />
        )}
      </header>
      {!ended && <JobProgress job={job} />}
      {job.error && <Failure jobs={jobs} job={job} error={job.error} />}
      {job.layers.map((id) => (
        <ResultLayer key={id} desk={desk} bin={bin} id={id} />
      ))}
      {job.files.map((file) => (
        <ResultTable key={file.address} file={file} onRun={onRun} />
      ))}
      {ended && <ResultPlaces job={job} notices={desk.notices} />}
      {job.isolation && <Isolation level={job.isolation} allowed={job.permissions ?? []} />}
      <JobOutput job={job} notices={desk.notices} />
    </li>
  );
}

type FailureProps = Pick<JobCardProps, "jobs" | "job"> & { readonly error: JobError };

/** Why it failed. Of packages that cannot be installed: which, why, what to do, and to try again once that is done. */
function Failure({ jobs, job, error }: FailureProps) {
  const { request, undone } = job;
  if (error.type !== NO_PACKAGES)
    return (
      <p class="job-error">
        <span class="job-error-type">{error.type}</span> {error.message}
      </p>
    );
  return (
    <>
      {/* What the installer said stands in the log. */}
      <p class="job-reason">{error.message.split("\n", 1)[0]}</p>
      {request && !undone && (
        <button type="button" class="button job-retry" onClick={() => void jobs.run(request)}>
          Retry
        </button>
      )}
    </>
  );
}

/** What keeps the plugin apart: its name, and from what as the tooltip. */
type IsolationProps = { readonly level: string; readonly allowed: readonly string[] };

function Isolation({ level, allowed }: IsolationProps) {
  const name = level.split(" (", 1)[0];
  const isNone = name === "not isolated";
  return (
    <p class={isNone ? "job-isolation job-error" : "job-isolation dim"} title={level}>
      {isNone ? "Not isolated: it could read and write all your files" : `Isolated by ${name}`}
      {!isNone && allowed.length > 0 && `; allowed: ${allowed.join(", ")}`}
    </p>
  );
}

type RepeatingProps = Pick<JobCardProps, "jobs" | "job" | "onChange">;

function Repeating({ jobs, job, onChange }: RepeatingProps) {
  const { request, undone } = job;
  if (!request) return null;
  if (undone)
    return (
      <IconButton icon="redo" label="Do again" onClick={() => void jobs.setUndone(job, false)} />
    );
  if (job.state !== "done")
    return <IconButton icon="again" label="Run again" onClick={() => void jobs.run(request)} />;
  return (
    <>
      <IconButton icon="undo" label="Undo" onClick={() => void jobs.setUndone(job, true)} />
      <IconButton icon="change" label="Change parameters" onClick={() => onChange(job)} />
    </>
  );
}

function CancelButton({ jobs, job }: { readonly jobs: Jobs; readonly job: Job }) {
  const isPressed = useSignal(false);
  const cancel = async () => {
    isPressed.value = true;
    await jobs.cancel(job);
    // A link that was lost meanwhile: it can be tried again.
    setTimeout(() => {
      isPressed.value = false;
    }, 6_000);
  };
  const isConnected = jobs.isConnected.value;
  return (
    <button
      type="button"
      class="button"
      disabled={isPressed.value || !isConnected}
      {...(isConnected ? {} : { title: "No connection" })}
      onClick={() => void cancel()}
    >
      {isPressed.value && isConnected ? "Cancelling …" : "Cancel"}
    </button>
  );
}

function Elapsed({ jobs, job }: { readonly jobs: Jobs; readonly job: Job }) {
  const ended = hasEnded(job);
  const [, tick] = useReducer((count: number) => count + 1, 0);
  useEffect(() => {
    if (ended) return;
    const timer = setInterval(() => tick(undefined), 1_000);
    return () => clearInterval(timer);
  }, [ended]);
  const seconds = jobs.secondsOf(job);
  return <span>{ended ? formatSeconds(seconds) : formatClock(seconds)}</span>;
}

function JobProgress({ job }: { readonly job: Job }) {
  const fraction = progressOf(job);
  const state = STATE_TEXT[job.state];
  const text =
    job.state === "running" ? job.text || state : [state, job.text].filter(Boolean).join(": ");
  const newest = job.state === "preparing" ? job.log.at(-1) : undefined;
  return (
    <>
      <div
        class={fraction === null ? "job-bar progress-waiting" : "job-bar"}
        role="progressbar"
        aria-label={`Progress of ${job.title}`}
        aria-valuetext={[text, stepsText(job)].filter(Boolean).join(", ")}
        {...(fraction === null
          ? {}
          : {
              "aria-valuenow": Math.round(fraction * 100),
              "aria-valuemin": 0,
              "aria-valuemax": 100,
            })}
      >
        <div
          class="progress-done"
          style={fraction === null ? {} : { transform: `scaleX(${fraction})` }}
        />
      </div>
      <p class="job-step">
        <span class="job-step-text" title={text}>
          {text}
        </span>
        <span class="dim">{stepsText(job)}</span>
      </p>
      {newest && <p class="job-newest">{newest}</p>}
    </>
  );
}

function stepsText(job: Job): string {
  const fraction = progressOf(job);
  if (fraction === null) return "";
  const { done, total } = job;
  const areSteps = Number.isInteger(done) && Number.isInteger(total) && Number(total) <= MOST_STEPS;
  return areSteps ? `${done} / ${total}` : `${Math.floor(fraction * 100)} %`;
}

type ResultTableProps = Pick<JobCardProps, "onRun"> & { readonly file: ResultFile };

function ResultTable({ file, onRun }: ResultTableProps) {
  return (
    <p class="job-table">
      <a class="job-result" href={file.address} download={file.name}>
        <Icon name="table" />
        <span class="job-result-name" title={file.name}>
          {file.name}
        </span>
        <span class="dim">{file.rows === 1 ? "1 row" : `${file.rows} rows`}</span>
      </a>
      <IconButton
        icon="play"
        label={`Run something with ${file.name}`}
        onClick={() => onRun(file.address)}
      />
    </p>
  );
}

type ResultLayerProps = { readonly desk: Desk; readonly bin: LayerBin; readonly id: number };

function ResultLayer({ desk, bin, id }: ResultLayerProps) {
  const layer = desk.layers.value.find((one) => one.id === id);
  if (!layer) {
    // What is not removed is on its way to the canvas.
    if (!bin.removed.value.has(id)) return null;
    return (
      <p class="job-result job-result-removed">
        <span class="dim">The result was removed.</span>
        <button type="button" class="link-button" onClick={() => void bin.restore(id)}>
          Bring it back
        </button>
      </p>
    );
  }
  const show = () => {
    desk.selectLayer(id);
    if (!desk.settingsOf(layer).visible) desk.toggleLayer(id);
  };
  const background = layerSwatch(layer, desk.settingsOf(layer), desk.colormaps);
  return (
    <button
      type="button"
      class="job-result"
      aria-label={`Show result ${layer.name}`}
      aria-current={desk.selected.value === id}
      title={layer.name}
      onClick={show}
    >
      <span class="swatch" style={{ background }} aria-hidden="true" />
      <span class="job-result-name">{layer.name}</span>
    </button>
  );
}
