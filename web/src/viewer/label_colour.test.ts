import { expect, test } from "vitest";
import { fixture } from "../../tests/viewer/fixture.ts";
import { labelColour } from "./label_colour.ts";

test("colours are those of Python", () => {
  const examples = fixture<{ id: string; rgb: number[] }[]>("label_colours");
  expect(examples.length).toBeGreaterThan(5);
  for (const { id, rgb } of examples) {
    for (const [i, component] of (labelColour(BigInt(id)) ?? []).entries()) {
      expect(component).toBeCloseTo(rgb[i] ?? -1, 8);
    }
  }
});

test("label 0 has no colour; ids of 64 bits have one each", () => {
  expect(labelColour(0)).toBeNull();
  expect(labelColour(1)).toEqual(labelColour(1n));
  expect(labelColour(-1)).toEqual(labelColour(0xffff_ffff_ffff_ffffn));
  expect(labelColour(1n + (1n << 32n))).not.toEqual(labelColour(1n));
  for (let id = 1; id < 2000; id++) {
    for (const component of labelColour(id) ?? []) {
      expect(component).toBeGreaterThanOrEqual(0);
      expect(component).toBeLessThanOrEqual(1);
    }
  }
});
