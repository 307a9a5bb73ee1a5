import { expect, test, vi } from "vitest";
import { Jobs } from "../../../src/ui/host/jobs.ts";
import { FAILURE, jobOf, REQUEST } from "../../fake/fake_host.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";

async function jobsFixture() {
  const fixture = hostFixture();
  const opened = vi.fn();
  const done = vi.fn();
  const jobs = new Jobs(fixture.link, fixture.notices, opened, done);
  await connected(fixture);
  return { ...fixture, opened, done, jobs };
}

test("are run, followed, and announced when they end", async () => {
  const { host, jobs, texts } = await jobsFixture();
  void jobs.run(REQUEST);
  await settle();
  expect(jobs.running.value.map(({ id }) => id)).toEqual(["1"]);
  expect(jobs.pointedAt.value).toBe("1");
  host.changeJob("1", { state: "running", seconds: 2 });
  await settle();
  await settle(3000);
  const [job] = jobs.running.value;
  expect(job && jobs.secondsOf(job)).toBeCloseTo(5, 1);
  host.changeJob("1", { state: "done", seconds: 12.4 });
  await settle();
  expect(jobs.running.value).toEqual([]);
  expect(texts()).toEqual(["“Nuclei” is done, in 12 s."]);
});

test("a failure is one line, which leads to the whole", async () => {
  const { host, jobs, opened, notices } = await jobsFixture();
  host.showJob(jobOf("1", { state: "failed", error: FAILURE }));
  await settle();
  const [notice] = notices.shown.value;
  expect(notice?.severity).toBe("error");
  expect(notice?.text).toBe("“Nuclei” failed: sigma must be positive, and smaller than the image:");
  notice?.action?.run();
  expect(jobs.pointedAt.value).toBe("1");
  expect(opened).toHaveBeenCalled();
});

test("of many failures the notices tell the newest three, the list all", async () => {
  const { host, jobs, notices, texts } = await jobsFixture();
  notices.add({ severity: "error", text: "The disk is full." });
  for (let i = 1; i <= 8; i += 1) {
    host.showJob(jobOf(String(i), { title: `Nuclei ${i}`, state: "failed", error: FAILURE }));
  }
  await settle();
  expect(texts().map((text) => text.split("”")[0])).toEqual([
    "The disk is full.",
    "“Nuclei 6",
    "“Nuclei 7",
    "“Nuclei 8",
  ]);
  expect(jobs.ended.value).toHaveLength(8);
});

test("are cancelled, dismissed, and run again as they were", async () => {
  const { host, jobs, texts, called } = await jobsFixture();
  host.showJob(jobOf("1", { state: "running" }));
  await settle();
  const [job] = jobs.all.value;
  if (!job) throw new Error("no job");
  void jobs.cancel(job);
  await settle();
  expect(jobs.ended.value[0]?.state).toBe("cancelled");
  expect(texts()).toEqual(["“Nuclei” was cancelled."]);
  void jobs.run(job.request ?? REQUEST);
  await settle();
  expect(called("run")).toEqual([`run ${JSON.stringify(job.request)}`]);
  void jobs.forget(jobs.ended.value);
  await settle();
  expect(jobs.all.value.map(({ state }) => state)).toEqual(["queued"]);
});

test("what the host refuses, it says", async () => {
  const { host, jobs, texts } = await jobsFixture();
  host.failures.set("run", "There is no room on the disk.");
  void jobs.run(REQUEST);
  await settle();
  expect(texts()).toEqual(["It could not be started: There is no room on the disk."]);
});

test("one that ended while the link was lost is announced when it is back", async () => {
  const { host, jobs, texts } = await jobsFixture();
  host.showJob(jobOf("1", { state: "running" }));
  await settle();
  expect(jobs.isConnected.value).toBe(true);
  host.hangUp();
  await settle();
  expect(jobs.isConnected.value).toBe(false);
  host.changeJob("1", { state: "done", seconds: 1 });
  await settle(1000);
  expect(texts()).toEqual(["“Nuclei” is done, in 1.0 s."]);
});

test("steps are those that count; what was started here can be undone", async () => {
  const { host, jobs, done, called } = await jobsFixture();
  void jobs.run(REQUEST);
  host.showJob(jobOf("7", { state: "done" }));
  host.showJob(jobOf("8", { state: "done", request: null }));
  host.showJob(jobOf("9", { state: "failed", error: FAILURE }));
  await settle();
  expect(jobs.steps.value.map(({ id }) => id)).toEqual(["7"]);
  const mine = jobs.running.value[0]?.id ?? "";
  host.changeJob(mine, { state: "done" });
  await settle();
  expect(done.mock.calls.map(([{ id }]) => id)).toEqual([mine]);
  expect(jobs.steps.value).toHaveLength(2);
  const [first] = jobs.steps.value;
  if (!first) throw new Error("no job");
  void jobs.setUndone(first, true);
  await settle();
  expect(called("set_undone")).toEqual([`set_undone "${first.id}" true`]);
  expect(jobs.steps.value).toHaveLength(1);
  void jobs.runOnFolder("/data", "/data results");
  await settle();
  const [left] = jobs.steps.value;
  expect(called("run_on_folder")).toEqual([
    `run_on_folder ["${left?.id}"] "/data" "/data results"`,
  ]);
});

test("what is changed is run again with other parameters", async () => {
  const { host, jobs, called } = await jobsFixture();
  host.showJob(jobOf("1", { state: "done" }));
  await settle();
  const [job] = jobs.all.value;
  if (!job) throw new Error("no job");
  const changed = jobs.change(job, { sigma: 3 });
  await settle();
  expect(await changed).toBe(true);
  expect(called("change")).toEqual(['change "1" {"sigma":3}']);
  host.failures.set("change", "It is not done.");
  const refused = jobs.change(job, {});
  await settle();
  expect(await refused).toBe(false);
});
