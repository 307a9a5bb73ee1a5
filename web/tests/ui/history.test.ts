import { expect, test } from "vitest";
import { type Change, History, isChange, type Step } from "../../src/ui/history.ts";

function gamma(layer: number, before: number, after: number): Change {
  return {
    before: new Map([[layer, { gamma: before }]]),
    after: new Map([[layer, { gamma: after }]]),
  };
}

/** The settings of a layer before a step. */
function before(step: Step | null, layer: number) {
  return step && isChange(step) ? step.before.get(layer) : null;
}

test("undo and redo walk over the changes", () => {
  const history = new History();
  history.record(gamma(0, 1, 2), 0);
  history.record(gamma(0, 2, 3), 5000);
  expect(before(history.undo(), 0)).toEqual({ gamma: 2 });
  expect(before(history.undo(), 0)).toEqual({ gamma: 1 });
  expect(history.undo()).toBeNull();
  expect(history.redo()).toEqual(gamma(0, 1, 2));
  history.record(gamma(0, 2, 9), 10_000);
  expect(history.redo()).toBeNull();
});

test("a drag is one step, another layer is another", () => {
  const history = new History();
  for (let i = 0; i < 50; i += 1) history.record(gamma(0, i, i + 1), i * 16);
  history.record(gamma(1, 1, 2), 810);
  expect(before(history.undo(), 1)).toEqual({ gamma: 1 });
  expect(before(history.undo(), 0)).toEqual({ gamma: 0 });
  expect(history.undo()).toBeNull();
});

test("pressing a switch twice is two steps", () => {
  const history = new History();
  const hide: Change = {
    before: new Map([[0, { visible: true }]]),
    after: new Map([[0, { visible: false }]]),
  };
  history.record(hide, 0);
  history.record({ before: hide.after, after: hide.before }, 100);
  expect(history.undo()).not.toBeNull();
  expect(history.undo()).not.toBeNull();
});

test("what is no setting is a step of its own", () => {
  const history = new History();
  const remove = { undo: () => {}, redo: () => {} };
  history.record(gamma(0, 1, 2), 0);
  history.record(remove, 10);
  history.record(gamma(0, 2, 3), 20);
  expect(before(history.undo(), 0)).toEqual({ gamma: 2 });
  expect(history.undo()).toBe(remove);
  expect(history.redo()).toBe(remove);
});
