import { expect, test } from "vitest";
import {
  formatAt,
  formatBytes,
  formatClock,
  formatMilliseconds,
  formatPercent,
  formatSeconds,
  parseNumber,
  trimmed,
} from "../../src/ui/numbers.ts";

test.each([
  [0, "0 B"],
  [1023, "1023 B"],
  [1024, "1.0 KiB"],
  [1536, "1.5 KiB"],
  [1024 * 1024 - 1, "1.0 MiB"],
  [200 * 1024 ** 2, "200 MiB"],
  [2 * 1024 ** 3, "2.0 GiB"],
  [-5, "0 B"],
  [Number.NaN, "–"],
])("%d bytes are %s", (bytes, text) => {
  expect(formatBytes(bytes)).toBe(text);
});

test.each([
  [12.3456, 1, "12"],
  [12.3456, 0.325, "12.3"],
  [12.3456, 0.01, "12.35"],
  [-0.0001, 0.1, "0.0"],
  [123456789, 10, "123456789"],
  [1e12, 1, "1000000000000"],
  [Number.NaN, 1, "–"],
  [5, 0, "5"],
])("%d in steps of %d is %s", (value, step, text) => {
  expect(formatAt(value, step)).toBe(text);
});

test.each([
  [0.0004, "0.04 %"],
  [0.125, "12.5 %"],
  [1, "100 %"],
  [0.99999, "100 %"],
  [16, "1600 %"],
])("%d is %s", (factor, text) => {
  expect(formatPercent(factor)).toBe(text);
});

test("numbers are trimmed, not rounded away", () => {
  expect([0.1 + 0.2, 65535, 1e-9, -0, 1234.5678].map((value) => trimmed(value))).toEqual([
    "0.3",
    "65535",
    "1e-9",
    "0",
    "1234.6",
  ]);
});

test("times", () => {
  expect([0.42, 14.25, 1234].map(formatMilliseconds)).toEqual(["0.4 ms", "14.3 ms", "1234 ms"]);
});

test("what people type becomes a number or nothing", () => {
  expect([" 12 ", "1,5", "1e3", "", "abc", "Infinity", "0x10"].map(parseNumber)).toEqual([
    12,
    1.5,
    1000,
    null,
    null,
    null,
    16,
  ]);
});

test("times that one waits", () => {
  expect([0.04, 3.42, 9.96, 59.4, 65, 7_500, -1, Number.NaN].map(formatSeconds)).toEqual([
    "0.0 s",
    "3.4 s",
    "10 s",
    "59 s",
    "1 min 5 s",
    "2 h 5 min",
    "0.0 s",
    "–",
  ]);
  expect([0, 7.9, 750, 3725].map(formatClock)).toEqual(["0:00", "0:07", "12:30", "1:02:05"]);
});
