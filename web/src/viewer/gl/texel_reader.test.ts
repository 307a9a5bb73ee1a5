import { expect, test } from "vitest";
import { colourTable } from "./colour_tables.ts";
import { texelText } from "./texel_reader.ts";

const float = (value: number) => new Uint32Array(Float32Array.of(value, 0, 0, 0).buffer);

test("texels as text", () => {
  expect(texelText(Uint32Array.of(65535, 0, 0, 1), "uint16", 1)).toBe("65535");
  expect(texelText(Uint32Array.of(4294967295, 0, 0, 1), "int8", 1)).toBe("-1");
  expect(texelText(Uint32Array.of(4294967295, 0, 0, 1), "uint32", 1)).toBe("4294967295");
  expect(texelText(Uint32Array.of(5, 0x80000000, 0, 1), "uint64", 1)).toBe("9223372036854775813");
  expect(texelText(Uint32Array.of(1, 2, 3, 4), "uint8", 3)).toBe("1, 2, 3");
  expect(texelText(float(0.1), "float32", 1)).toBe("0.1");
  expect(texelText(float(-1 / 3), "float32", 1)).toBe("-0.33333334");
  expect(texelText(float(Number.NaN), "float32", 1)).toBe("nan");
  expect(texelText(float(Number.NEGATIVE_INFINITY), "float32", 1)).toBe("-Infinity");
});

test("a colour map is the one of that name, a ramp to a colour, or gray", () => {
  const mine = new Uint8Array(768).fill(7);
  expect(colourTable({ mine }, "mine")).toBe(mine);
  expect([...colourTable({}, "#ff8000").subarray(765)]).toEqual([255, 128, 0]);
  expect([...colourTable({}, "#ff8000").subarray(0, 3)]).toEqual([0, 0, 0]);
  expect([...colourTable({}, "unknown").subarray(300, 303)]).toEqual([100, 100, 100]);
});
