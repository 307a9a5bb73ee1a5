import { expect, test } from "vitest";
import type { Plugin } from "../../../src/ui/host/host_service.ts";
import { Permits } from "../../../src/ui/host/permits.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";
import { asked, plugin } from "../../fake/plugins.ts";

const FETCHER = plugin("fetcher.py", {
  name: "Fetcher",
  asks: ["network", "gpu"],
  terms: "those of 1.0",
  permissions: [asked("network", "downloads"), asked("gpu", "faster", "refused")],
});

async function permitsOf() {
  const fixture = hostFixture();
  fixture.host.plugins = [FETCHER];
  await connected(fixture);
  const changed: Plugin[] = [];
  const permits = new Permits(fixture.link, fixture.notices, (plugin) => changed.push(plugin));
  return { ...fixture, permits, changed };
}

test("who was not asked yet is asked, and the answer is about what was shown", async () => {
  const { host, permits, changed } = await permitsOf();
  const asking = permits.askFor(FETCHER);
  expect(permits.question.value?.permissions.map(({ name }) => name)).toEqual(["network"]);
  permits.question.value?.settle({ network: true });
  await settle();
  expect(await asking).toBe(true);
  expect(permits.question.value).toBeNull();
  expect(host.calls).toContain('answer "fetcher.py" {"network":true} "those of 1.0"');
  expect(changed.map(({ permissions }) => permissions[0]?.state)).toEqual(["allowed"]);
});

test("not now is an answer, and thinking better of it is none", async () => {
  const { host, permits } = await permitsOf();
  const refusing = permits.askFor(FETCHER);
  permits.question.value?.settle({ network: false });
  await settle();
  expect(await refusing).toBe(true);
  const leaving = permits.askFor(FETCHER);
  permits.question.value?.settle(null);
  await settle();
  expect(await leaving).toBe(false);
  expect(host.calls.filter((call) => call.startsWith("answer"))).toHaveLength(1);
});

test("nobody is asked twice, nor where they cannot answer, nor for what says nothing", async () => {
  const { permits } = await permitsOf();
  const answered = [asked("network", "", "refused"), asked("processes", "", "always")];
  for (const more of [{ permissions: answered }, { may_allow: false }, { asks: [] }])
    expect(await permits.askFor({ ...FETCHER, ...more })).toBe(true);
  expect(permits.question.value).toBeNull();
});

test("an answer that is not kept is said, and what was to come is off", async () => {
  const { host, permits, texts } = await permitsOf();
  host.failures.set("answer", "Fetcher has changed meanwhile.");
  const asking = permits.askFor(FETCHER);
  permits.question.value?.settle({ network: true });
  await settle();
  expect(await asking).toBe(false);
  expect(texts()).toEqual([expect.stringContaining("has changed meanwhile")]);
});

test("a second question takes the place of the first", async () => {
  const { permits } = await permitsOf();
  const first = permits.askFor(FETCHER);
  const second = permits.askFor({ ...FETCHER, id: "other.py" });
  expect(await first).toBe(false);
  expect(permits.question.value?.plugin.id).toBe("other.py");
  permits.question.value?.settle(null);
  expect(await second).toBe(false);
});
