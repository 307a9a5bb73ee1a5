/** Jobs as the host tells of them, piece by piece. Pure. */
import type { Job, JobNews, JobStateName } from "./host_service.ts";

const ENDED: readonly JobStateName[] = ["done", "failed", "cancelled"];

export function hasEnded({ state }: Job): boolean {
  return ENDED.includes(state);
}

export type Merged = {
  /** Oldest first. */
  readonly jobs: readonly Job[];
  /** What has ended since the last time. */
  readonly ended: readonly Job[];
};

/** The first item of a stream tells of all jobs, those after it of what has changed. */
export function mergeJobs(
  known: readonly Job[],
  news: readonly JobNews[],
  isFirst: boolean,
): Merged {
  const before = new Map(known.map((job) => [job.id, job]));
  const told = news.map((job) => ({ ...job, log: job.log ?? before.get(job.id)?.log ?? [] }));
  const isNews = (job: Job) => {
    const earlier = before.get(job.id);
    // What ended before this page knew of it is history.
    return hasEnded(job) && (earlier ? !hasEnded(earlier) : !isFirst);
  };
  const jobs = isFirst
    ? told
    : [...new Map([...before, ...told.map((job) => [job.id, job] as const)]).values()];
  return { jobs, ended: told.filter(isNews) };
}

/** How far the jobs that run have come, all together; null where one of them does not know. */
export function overallProgress(running: readonly Job[]): number | null {
  const fractions = running.map(progressOf);
  const known = fractions.filter((fraction) => fraction !== null);
  if (known.length === 0 || known.length < fractions.length) return null;
  return known.reduce((sum, fraction) => sum + fraction, 0) / known.length;
}

/** Of the steps in the state that it is in. */
export function progressOf({ done, total }: Job): number | null {
  if (done === null || total === null || !(total > 0)) return null;
  return Math.min(1, Math.max(0, done / total));
}
