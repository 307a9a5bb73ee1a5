import { expect, test } from "vitest";
import { between, wheelFactor, wheelTravel } from "./input.ts";

const page = { clientWidth: 800, clientHeight: 600 };
const wheel = (deltaY: number, more = {}) => ({
  deltaX: 0,
  deltaY,
  deltaMode: 0,
  ctrlKey: false,
  ...more,
});

test("a wheel's travel is in CSS pixels, whatever its unit", () => {
  expect(wheelTravel(wheel(100), page)).toEqual([0, 100]);
  expect(wheelTravel(wheel(3, { deltaMode: 1 }), page)).toEqual([0, 99]);
  expect(wheelTravel(wheel(-1, { deltaMode: 2 }), page)).toEqual([0, -600]);
});

test("wheel up zooms in, down and up cancel, a pinch is finer, one event is bounded", () => {
  expect(wheelFactor(wheel(-300), page)).toBeCloseTo(2, 12);
  expect(wheelFactor(wheel(-37), page) * wheelFactor(wheel(37), page)).toBeCloseTo(1, 12);
  expect(wheelFactor(wheel(-7, { ctrlKey: true }), page)).toBeCloseTo(2 ** 0.1, 12);
  expect(wheelFactor(wheel(1e9), page)).toBe(1 / 4);
});

test("one pointer pans, two pan and zoom about their middle", () => {
  expect(between([[5, 5]], [[8, 1]])).toEqual({ pan: [3, -4], factor: 1, at: [8, 1] });
  const pinch = between(
    [
      [0, 0],
      [10, 0],
    ],
    [
      [0, 0],
      [20, 0],
    ],
  );
  expect(pinch).toEqual({ pan: [5, 0], factor: 2, at: [10, 0] });
});
