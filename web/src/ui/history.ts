/** Undo for layer settings. Changes of one gesture (a drag of a slider) are one step. */
import type { LayerSettings } from "../viewer/types.ts";

/** New settings by layer id. */
export type Edit = ReadonlyMap<number, Partial<LayerSettings>>;
export type Change = { readonly before: Edit; readonly after: Edit };

const GESTURE_MS = 600;
const LONGEST = 200;

export class History {
  #done: Change[] = [];
  #undone: Change[] = [];
  #lastTime = Number.NEGATIVE_INFINITY;

  record(change: Change, time: number): void {
    const last = this.#done.at(-1);
    if (last && time - this.#lastTime < GESTURE_MS && isContinuation(last, change)) {
      this.#done[this.#done.length - 1] = { before: last.before, after: change.after };
    } else {
      this.#done.push(change);
      if (this.#done.length > LONGEST) this.#done.shift();
    }
    this.#undone = [];
    this.#lastTime = time;
  }

  undo(): Change | null {
    return this.#move(this.#done, this.#undone);
  }

  redo(): Change | null {
    return this.#move(this.#undone, this.#done);
  }

  #move(from: Change[], to: Change[]): Change | null {
    const change = from.pop();
    if (!change) return null;
    to.push(change);
    this.#lastTime = Number.NEGATIVE_INFINITY;
    return change;
  }
}

/** Sliders make many changes of the same setting; a switch that is pressed twice makes two. */
function isContinuation(last: Change, next: Change): boolean {
  const shape = (edit: Edit) =>
    JSON.stringify([...edit].map(([id, settings]) => [id, Object.keys(settings)]));
  const switches = [...next.after.values()].some((settings) => settings.visible !== undefined);
  return !switches && shape(last.after) === shape(next.after);
}
