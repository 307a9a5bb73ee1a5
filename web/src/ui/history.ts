/** Undo. Changes of one gesture (a drag of a slider) are one step. */
import type { LayerSettings } from "../viewer/types.ts";

/** New settings by layer id. */
export type Edit = ReadonlyMap<number, Partial<LayerSettings>>;
/** New settings, and those before. */
export type Change = { readonly before: Edit; readonly after: Edit };
/** Something else that can be undone and done again. */
export type Deed = { readonly undo: () => void; readonly redo: () => void };
export type Step = Change | Deed;

const GESTURE_MS = 600;
const LONGEST = 200;

export class History {
  #done: Step[] = [];
  #undone: Step[] = [];
  #lastTime = Number.NEGATIVE_INFINITY;

  record(step: Step, time: number): void {
    const last = this.#done.at(-1);
    const inTime = time - this.#lastTime < GESTURE_MS;
    if (inTime && last && isChange(last) && isChange(step) && isContinuation(last, step)) {
      this.#done[this.#done.length - 1] = { before: last.before, after: step.after };
    } else {
      this.#done.push(step);
      if (this.#done.length > LONGEST) this.#done.shift();
    }
    this.#undone = [];
    this.#lastTime = time;
  }

  undo(): Step | null {
    return this.#move(this.#done, this.#undone);
  }

  redo(): Step | null {
    return this.#move(this.#undone, this.#done);
  }

  #move(from: Step[], to: Step[]): Step | null {
    const step = from.pop();
    if (!step) return null;
    to.push(step);
    this.#lastTime = Number.NEGATIVE_INFINITY;
    return step;
  }
}

export function isChange(step: Step): step is Change {
  return "before" in step;
}

/** Sliders make many changes of the same setting; a switch that is pressed twice makes two. */
function isContinuation(last: Change, next: Change): boolean {
  const shape = (edit: Edit) =>
    JSON.stringify([...edit].map(([id, settings]) => [id, Object.keys(settings)]));
  const switches = [...next.after.values()].some((settings) => settings.visible !== undefined);
  return !switches && shape(last.after) === shape(next.after);
}
