import { expect, test } from "vitest";
import { FrameClock } from "./frame_clock.ts";

test("frames are counted over the last second of drawing", () => {
  const clock = new FrameClock();
  expect(clock.framesPerSecond).toBe(0);
  for (let i = 0; i <= 120; i++) clock.drawn(i * 20);
  expect(clock.framesPerSecond).toBeCloseTo(50, 6);
});

test("latency runs from the last move to the frame that shows it", () => {
  const clock = new FrameClock();
  clock.moved(100);
  clock.moved(110);
  clock.drawn(125);
  expect(clock.latencyMs).toBe(15);
  clock.drawn(400);
  expect(clock.latencyMs).toBe(15);
});
