/** What plugins ask of the user, one after the other. */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { About, Asked, FileWish, FormSpec, Told } from "../service.ts";

export type Question = { readonly key: number; readonly about: About } & (
  | { readonly kind: "alert"; readonly told: Told }
  | { readonly kind: "confirm"; readonly told: Told }
  | { readonly kind: "prompt"; readonly asked: Asked }
  | { readonly kind: "form"; readonly form: FormSpec }
  | { readonly kind: "files"; readonly wish: FileWish }
);
type Ask = Question extends infer Q ? (Q extends Question ? Omit<Q, "key"> : never) : never;

/** Of one plugin, that wait: a loop of alerts must not fill the memory. */
const MOST_WAITING = 50;
/** From this one on, one after the other, its user is offered to stop it. */
const MANY = 3;

export class Questions {
  readonly #waiting = signal<readonly Question[]>([]);
  readonly #settle = new Map<number, (answer: unknown) => void>();
  readonly #asked = new Map<string, number>();
  #nextKey = 1;

  /** The first one is shown. */
  get waiting(): ReadonlySignal<readonly Question[]> {
    return this.#waiting;
  }

  /** Settled with what the user answers: null if nothing. `signal`: whoever asks has given up. */
  ask(question: Ask, signal: AbortSignal): Promise<unknown> {
    const { id, name } = question.about;
    if (this.#waiting.peek().filter(({ about }) => about.id === id).length >= MOST_WAITING) {
      return Promise.reject(new Error(`“${name}” asks too much: ${MOST_WAITING} questions wait.`));
    }
    const key = this.#nextKey++;
    const { promise, resolve } = Promise.withResolvers<unknown>();
    this.#settle.set(key, resolve);
    this.#asked.set(id, (this.#asked.get(id) ?? 0) + 1);
    this.#waiting.value = [...this.#waiting.peek(), { ...question, key } as Question];
    const giveUp = () => this.answer(key, null);
    if (signal.aborted) giveUp();
    else {
      signal.addEventListener("abort", giveUp);
      void promise.then(() => signal.removeEventListener("abort", giveUp));
    }
    return promise;
  }

  answer(key: number, answer: unknown): void {
    this.#settle.get(key)?.(answer);
    this.#settle.delete(key);
    this.#waiting.value = this.#waiting.peek().filter((question) => question.key !== key);
  }

  /** Nobody will ask any more. */
  forget(plugin: string): void {
    this.#asked.delete(plugin);
    for (const { key, about } of this.#waiting.peek()) {
      if (about.id === plugin) this.answer(key, null);
    }
  }

  asksOften(plugin: string): boolean {
    return (this.#asked.get(plugin) ?? 0) > MANY;
  }
}
