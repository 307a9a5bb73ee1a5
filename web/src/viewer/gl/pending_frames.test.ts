import { expect, test } from "vitest";
import { PendingFrames } from "./pending_frames.ts";

/** A graphics card that finishes frames, in order, when it is told to. */
function slowCard() {
  const signaled = new Set<unknown>();
  const fences: object[] = [];
  const gl = {
    SYNC_GPU_COMMANDS_COMPLETE: 1,
    SYNC_STATUS: 2,
    SIGNALED: 3,
    fenceSync: () => {
      const fence = {};
      fences.push(fence);
      return fence;
    },
    getSyncParameter: (fence: unknown) => (signaled.has(fence) ? 3 : 4),
    deleteSync: (fence: unknown) => signaled.delete(fence),
    flush: () => undefined,
  };
  return {
    pending: new PendingFrames(gl as unknown as WebGL2RenderingContext),
    finish: () => signaled.add(fences.shift()),
  };
}

test("two frames are under way, and another when the first of them is finished", () => {
  const { pending, finish } = slowCard();
  const full = () => {
    pending.add();
    return pending.isFull;
  };
  expect(pending.isFull).toBe(false);
  expect([full(), full()]).toEqual([false, true]);
  finish();
  expect(pending.isFull).toBe(false);
  expect(full()).toBe(true);
  finish();
  finish();
  expect([full(), full()]).toEqual([false, true]);
});
