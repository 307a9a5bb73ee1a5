import { expect, test } from "vitest";
import { random, whole } from "../../tests/viewer/random.ts";
import { SlotTable } from "./slots.ts";
import type { BrickKey } from "./stream/brick_key.ts";

const key = (level: number, row: number, column = 0): BrickKey => [0, level, [3], row, column];

test("what was drawn longest ago goes first, never what is pinned", () => {
  const slots = new SlotTable<string>(30);
  slots.put(key(2, 0), 10, "base", 1);
  slots.put(key(0, 1), 10, "old", 2);
  slots.put(key(0, 2), 10, "new", 3);
  slots.put(key(0, 3), 10, "newest", 4);
  const evicted = slots.evict((slot) => slot.key[1] === 2);
  expect(evicted.map((slot) => slot.content)).toEqual(["old"]);
  expect(slots.bytes).toBe(30);
  expect(slots.evict(() => true)).toEqual([]);
});

test("a brick that comes again replaces the first and heals its failure", () => {
  const slots = new SlotTable<string>(100);
  slots.fail(key(0, 1), "broken");
  expect(slots.hasFailed("0/0/3", 1, 0)).toBe(true);
  expect(slots.put(key(0, 1), 10, "first", 1)).toBeNull();
  expect(slots.hasFailed("0/0/3", 1, 0)).toBe(false);
  expect(slots.put(key(0, 1), 7, "second", 2)?.content).toBe("first");
  expect([slots.bytes, slots.count]).toEqual([7, 1]);
});

test("a new session leaves what is held, as unknown", () => {
  const slots = new SlotTable<string>(100);
  slots.put(key(0, 1), 10, "old", 1);
  slots.fail(key(0, 9), "broken");
  slots.forgetSession();
  slots.put(key(0, 2), 10, "new", 2);
  expect(slots.hasFailed("0/0/3", 9, 0)).toBe(false);
  expect(slots.drop((slot) => !slot.known).map((slot) => slot.content)).toEqual(["old"]);
  expect(slots.get(key(0, 2))?.content).toBe("new");
});

test("bytes and counts stay right whatever happens", () => {
  const next = random(11);
  const slots = new SlotTable<number>(2000);
  const held = new Map<string, number>();
  for (let i = 0; i < 5000; i++) {
    const one: BrickKey = [
      whole(next, 0, 1),
      whole(next, 0, 2),
      [whole(next, 0, 2)],
      2 ** 18 - 1,
      whole(next, 0, 9),
    ];
    const chance = next();
    if (chance < 0.7) {
      const bytes = whole(next, 1, 300);
      slots.put(one, bytes, i, i);
      held.set(String(one), bytes);
    } else if (chance < 0.9) {
      for (const slot of slots.evict((slot) => slot.key[1] === 2)) held.delete(String(slot.key));
    } else if (chance < 0.92) {
      for (const slot of slots.drop(() => next() < 0.3)) held.delete(String(slot.key));
    }
    expect(slots.bytes).toBe([...held.values()].reduce((a, b) => a + b, 0));
    expect(slots.count).toBe(held.size);
  }
});
