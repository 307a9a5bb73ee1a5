import { expect, test } from "vitest";
import { mergeJobs, overallProgress, progressOf } from "../../../src/ui/host/job_merge.ts";
import { jobOf } from "../../fake/fake_host.ts";

const running = jobOf("1", { state: "running" });
const done = jobOf("1", { state: "done" });
const ids = (jobs: readonly { readonly id: string }[]) => jobs.map(({ id }) => id);

test("the first item is the whole list, later ones change it in place", () => {
  const first = mergeJobs([jobOf("9")], [jobOf("1"), jobOf("2")], true);
  expect(ids(first.jobs)).toEqual(["1", "2"]);
  const later = mergeJobs(first.jobs, [jobOf("3"), jobOf("1", { state: "running" })], false);
  expect(ids(later.jobs)).toEqual(["1", "2", "3"]);
  expect(later.jobs[0]?.state).toBe("running");
});

test("a log that is not told is the one that was told last", () => {
  const first = mergeJobs([], [jobOf("1", { log: ["a"] })], true);
  const same = mergeJobs(first.jobs, [{ ...running, log: null }], false);
  expect(same.jobs).toEqual([{ ...running, log: ["a"] }]);
  const ended = mergeJobs(same.jobs, [{ ...done, log: null }], false);
  expect(ended.ended).toEqual([{ ...done, log: ["a"] }]);
  const longer = mergeJobs(ended.jobs, [{ ...done, log: ["a", "b"] }], false);
  expect(longer.jobs[0]?.log).toEqual(["a", "b"]);
  expect(mergeJobs([], [{ ...done, log: null }], false).jobs[0]?.log).toEqual([]);
});

test("an end is news once, and only of a job that was known or is new", () => {
  expect(ids(mergeJobs([running], [done], false).ended)).toEqual(["1"]);
  expect(ids(mergeJobs([done], [done], false).ended)).toEqual([]);
  expect(ids(mergeJobs([], [done], false).ended)).toEqual(["1"]);
  // A page that has just come, and one that was away for a while.
  expect(ids(mergeJobs([], [done], true).ended)).toEqual([]);
  expect(ids(mergeJobs([running], [done], true).ended)).toEqual(["1"]);
});

test("progress is known where steps are", () => {
  expect(progressOf(jobOf("1", { done: 3, total: 6 }))).toBe(0.5);
  expect(progressOf(jobOf("1", { done: 9, total: 6 }))).toBe(1);
  expect(progressOf(jobOf("1", { done: 0, total: 0 }))).toBeNull();
  expect(progressOf(jobOf("1", { done: 4 }))).toBeNull();
  const half = jobOf("1", { done: 1, total: 2 });
  expect(overallProgress([half, jobOf("2", { done: 2, total: 2 })])).toBe(0.75);
  expect(overallProgress([half, jobOf("2")])).toBeNull();
  expect(overallProgress([])).toBeNull();
});
