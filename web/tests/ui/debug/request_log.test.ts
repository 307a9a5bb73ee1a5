import { expect, test } from "vitest";
import { RequestLog, SPAN_MS, totalsOf } from "../../../src/ui/debug/request_log.ts";
import type { RequestRecord } from "../../../src/viewer/types.ts";

function request(agoMs: number, tookMs: number, more: Partial<RequestRecord> = {}): RequestRecord {
  return {
    layer: 0,
    level: 1,
    grid: [0, 0],
    agoMs,
    tookMs,
    bytes: 100,
    provenance: "network",
    end: "came",
    ...more,
  };
}

test("what overlaps lies in lanes of its own, what follows takes the lane of what went before", () => {
  const log = new RequestLog();
  log.add([request(100, 50), request(90, 50), request(45, 20)], 1000);
  expect(log.bars.map(({ from, to, lane }) => [from, to, lane])).toEqual([
    [900, 950, 0],
    [910, 960, 1],
    [955, 975, 0],
  ]);
  expect(log.lanes).toBe(2);
});

test("bars of one lane never overlap, whatever order they are told in", () => {
  let state = 7;
  const next = () => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state / 2 ** 32;
  };
  const log = new RequestLog();
  for (let now = 0; now < 5000; now += 100) {
    const some = Array.from({ length: 5 }, () => {
      const took = next() * 300;
      return request(took + next() * 100, took);
    });
    log.add(some, now);
  }
  const lanes = new Map<number, number>();
  for (const { from, to, lane } of log.bars) {
    expect(from).toBeGreaterThanOrEqual(lanes.get(lane) ?? Number.NEGATIVE_INFINITY);
    lanes.set(lane, to);
  }
  expect(log.lanes).toBeGreaterThan(1);
});

test("what ended long ago is forgotten, and its lanes with it", () => {
  const log = new RequestLog();
  log.add([request(100, 50), request(100, 80)], 1000);
  log.add([request(10, 5)], 1000 + SPAN_MS);
  expect(log.bars).toHaveLength(1);
  expect(log.lanes).toBe(1);
});

test("totals count ends, and the time of those that came", () => {
  const log = new RequestLog();
  log.add(
    [
      request(100, 10),
      request(99, 30),
      request(98, 20),
      request(97, 90, { end: "given up", bytes: 0 }),
      request(96, 1, { end: "failed", bytes: 0 }),
    ],
    1000,
  );
  const { requests, bytes, givenUp, failed, medianMs } = totalsOf(log.bars);
  expect([requests, bytes, givenUp, failed]).toEqual([5, 300, 1, 1]);
  expect(medianMs).toBeCloseTo(20);
});
