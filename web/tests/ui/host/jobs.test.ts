import { expect, test, vi } from "vitest";
import { Jobs } from "../../../src/ui/host/jobs.ts";
import { FAILURE, jobOf } from "../../fake/fake_host.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";

async function jobsFixture() {
  const fixture = hostFixture();
  const opened = vi.fn();
  const jobs = new Jobs(fixture.link, fixture.notices, opened);
  await connected(fixture);
  return { ...fixture, opened, jobs };
}

test("are run, followed, and announced when they end", async () => {
  const { host, jobs, texts } = await jobsFixture();
  void jobs.run(jobOf("").request);
  await settle();
  expect(jobs.running.value.map(({ id }) => id)).toEqual(["1"]);
  expect(jobs.pointedAt.value).toBe("1");
  host.change("1", { state: "running", seconds: 2 });
  await settle();
  await settle(3000);
  const [job] = jobs.running.value;
  expect(job && jobs.secondsOf(job)).toBeCloseTo(5, 1);
  host.change("1", { state: "done", seconds: 12.4 });
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
  void jobs.run(job.request);
  await settle();
  expect(called("run")).toEqual([`run ${JSON.stringify(job.request)}`]);
  void jobs.forget(jobs.ended.value);
  await settle();
  expect(jobs.all.value.map(({ state }) => state)).toEqual(["queued"]);
});

test("what the host refuses, it says", async () => {
  const { host, jobs, texts } = await jobsFixture();
  host.failures.set("run", "There is no room on the disk.");
  void jobs.run(jobOf("").request);
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
  host.change("1", { state: "done", seconds: 1 });
  await settle(1000);
  expect(texts()).toEqual(["“Nuclei” is done, in 1.0 s."]);
});
