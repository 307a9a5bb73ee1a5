/** The jobs, newest first, and the line on the status bar that says that some run. */
import { useSignal } from "@preact/signals";
import type { Desk } from "../desk.ts";
import { FolderForm } from "./folder_form.tsx";
import type { Job } from "./host_service.ts";
import { JobCard } from "./job_card.tsx";
import { overallProgress } from "./job_merge.ts";
import type { Jobs } from "./jobs.ts";
import type { LayerBin } from "./layer_bin.ts";

type JobListProps = {
  readonly desk: Desk;
  readonly jobs: Jobs;
  readonly bin: LayerBin;
  readonly onChange: (job: Job) => void;
  /** Looks for what the table at an address can be run with. */
  readonly onRun: (address: string) => void;
};

export function JobList({ desk, jobs, bin, onChange, onRun }: JobListProps) {
  const isFolderOpen = useSignal(false);
  const all = jobs.all.value;
  if (all.length === 0) return null;
  const ended = jobs.ended.value;
  return (
    <section class="jobs" aria-labelledby="jobs-heading">
      <header class="jobs-header">
        <h2 class="form-heading" id="jobs-heading">
          Jobs
        </h2>
        {ended.length > 1 && (
          <button type="button" class="link-button" onClick={() => void jobs.forget(ended)}>
            Dismiss all that ended
          </button>
        )}
      </header>
      {jobs.steps.value.length > 0 && (
        <p class="jobs-uses">
          <button type="button" class="link-button" onClick={() => void jobs.saveScript()}>
            Save as script
          </button>
          <button
            type="button"
            class="link-button"
            aria-expanded={isFolderOpen.value}
            onClick={() => {
              isFolderOpen.value = !isFolderOpen.peek();
            }}
          >
            Run on folder …
          </button>
        </p>
      )}
      {isFolderOpen.value && (
        <FolderForm
          jobs={jobs}
          onClose={() => {
            isFolderOpen.value = false;
          }}
        />
      )}
      <ul class="job-list" aria-label="Jobs">
        {all.toReversed().map((job) => (
          <JobCard
            key={job.id}
            desk={desk}
            jobs={jobs}
            bin={bin}
            job={job}
            onChange={onChange}
            onRun={onRun}
          />
        ))}
      </ul>
    </section>
  );
}

type JobsIndicatorProps = { readonly jobs: Jobs; readonly onOpen: () => void };

export function JobsIndicator({ jobs, onOpen }: JobsIndicatorProps) {
  const running = jobs.running.value;
  if (running.length === 0) return null;
  const isConnected = jobs.isConnected.value;
  const fraction = overallProgress(running);
  const title = running.length === 1 ? running[0]?.title : `${running.length} jobs`;
  return (
    <button
      type="button"
      class="jobs-indicator"
      title="Show the jobs"
      aria-label={isConnected ? `Running: ${title}` : `No connection: ${title}`}
      onClick={onOpen}
    >
      {isConnected && <span class="spinner" aria-hidden="true" />}
      <span class="jobs-indicator-title">{title}</span>
      {!isConnected && <span class="dim">no connection</span>}
      {isConnected && fraction !== null && <span class="dim">{Math.floor(fraction * 100)} %</span>}
    </button>
  );
}
