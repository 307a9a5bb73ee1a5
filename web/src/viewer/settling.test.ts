import { expect, test } from "vitest";
import { Settling } from "./settling.ts";

test("a complete picture is announced once, a frame after it was drawn", () => {
  const settling = new Settling();
  expect(settling.announces(1, false)).toBe(false);
  settling.drawn(1);
  expect(settling.isPending).toBe(true);
  expect(settling.announces(1, true)).toBe(true);
  expect(settling.isAnnounced(1)).toBe(true);
  expect(settling.isPending).toBe(false);
  expect(settling.announces(1, true)).toBe(false);
});

test("another camera is not settled until it was drawn", () => {
  const settling = new Settling();
  settling.drawn(1);
  settling.announces(1, true);
  expect(settling.isAnnounced(2)).toBe(false);
  expect(settling.announces(2, true)).toBe(false);
  expect(settling.announces(2, true)).toBe(true);
});

test("what stops being complete is announced again", () => {
  const settling = new Settling();
  settling.drawn(1);
  settling.announces(1, true);
  settling.announces(1, false);
  expect(settling.isAnnounced(1)).toBe(false);
  settling.drawn(1);
  expect(settling.announces(1, true)).toBe(true);
});
