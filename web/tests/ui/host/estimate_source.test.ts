import { effect, signal } from "@preact/signals";
import { expect, onTestFinished, test } from "vitest";
import { EstimateSource } from "../../../src/ui/host/estimate_source.ts";
import type { Estimate, RunRequest } from "../../../src/ui/host/host_service.ts";
import { ESTIMATE, REQUEST } from "../../fake/fake_host.ts";
import { connected, hostFixture, settle } from "../../fake/host_fixture.ts";

async function estimateFixture() {
  const fixture = hostFixture();
  const request = signal<RunRequest | null>(REQUEST);
  const learned = signal(0);
  const source = new EstimateSource(fixture.link, request, learned);
  onTestFinished(() => source.dispose());
  await connected(fixture);
  const change = (sigma: number) => {
    request.value = { ...REQUEST, parameters: { sigma } };
  };
  return { ...fixture, request, learned, source, change };
}

test("it is asked for once things are quiet", async () => {
  const { source, change, called } = await estimateFixture();
  for (let sigma = 0; sigma < 5; sigma += 1) {
    change(sigma);
    await settle(100);
  }
  expect(called("estimate")).toEqual([]);
  expect(source.state.value.isAsking).toBe(true);
  await settle(300);
  expect(called("estimate")).toHaveLength(1);
  expect(source.state.value).toEqual({ estimate: ESTIMATE, problem: null, isAsking: false });
  change(4);
  await settle(1000);
  expect(called("estimate")).toHaveLength(1);
});

test("one that is outdated when it comes is never shown", async () => {
  const { host, source, change } = await estimateFixture();
  const slow = Promise.withResolvers<Estimate>();
  host.estimateOf = ({ parameters }) =>
    parameters["sigma"] === 1 ? slow.promise : { ...ESTIMATE, calls: 2 };
  const shown: unknown[] = [];
  effect(() => {
    shown.push(source.state.value.estimate?.calls);
  });
  change(1);
  await settle(300);
  change(2);
  slow.resolve({ ...ESTIMATE, calls: 1 });
  await settle(500);
  expect(shown.at(-1)).toBe(2);
  expect(shown).not.toContain(1);
});

test("where the host cannot make one it says why; with nothing to ask there is none", async () => {
  const { host, source, request } = await estimateFixture();
  host.failures.set("estimate", "Nothing of this layer is in view.");
  await settle(300);
  expect(source.state.value.problem).toBe("Nothing of this layer is in view.");
  request.value = null;
  expect(source.state.value).toEqual({ estimate: null, problem: null, isAsking: false });
});

test("it is asked for again when the link is back", async () => {
  const { host, source, called } = await estimateFixture();
  await settle(300);
  host.hangUp();
  await settle();
  expect(source.state.value.estimate).toBeNull();
  await settle(1000);
  expect(called("estimate")).toHaveLength(2);
  expect(source.state.value.estimate).toEqual(ESTIMATE);
});

test("it is asked for again when the host has learned from a job", async () => {
  const { source, learned, called } = await estimateFixture();
  await settle(300);
  learned.value += 1;
  expect(source.state.value.estimate).toEqual(ESTIMATE);
  await settle(300);
  expect(called("estimate")).toHaveLength(2);
});
