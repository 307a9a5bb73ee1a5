/**
 * Notices for the user, each shown once. Errors stay until they are dismissed, those of jobs until newer ones come;
 * the rest goes by itself.
 */
import { type ReadonlySignal, signal } from "@preact/signals";
import type { Notice } from "../viewer/types.ts";

/** What a user can do about it. */
export type NoticeAction = { readonly label: string; readonly run: () => void };
export type AppNotice = Notice & {
  readonly action?: NoticeAction;
  /** The list of jobs tells it too, so that it may go for a newer one. */
  readonly isOfJob?: boolean;
  /** How long it is shown, where its plugin says that. */
  readonly milliseconds?: number;
};
export type ShownNotice = AppNotice & { readonly key: number };

const SHOWN_FOR_MS = { info: 5_000, warning: 12_000 } as const;
/** Of notices that go by themselves. */
const MOST_PASSING = 4;
/** Of errors of jobs; other errors are never pushed out. */
const MOST_OF_JOBS = 3;

export class Notices {
  readonly #shown = signal<readonly ShownNotice[]>([]);
  readonly #timers = new Map<number, ReturnType<typeof setTimeout>>();
  readonly #seenOfScene = new Set<string>();
  #nextKey = 1;

  get shown(): ReadonlySignal<readonly ShownNotice[]> {
    return this.#shown;
  }

  add(notice: AppNotice): void {
    // The same sentence twice is one notice: a failing server would otherwise fill the screen.
    const same = this.#shown
      .peek()
      .find((other) => other.text === notice.text && other.severity === notice.severity);
    if (same) {
      const again = { ...notice, key: same.key };
      this.#shown.value = this.#shown.peek().map((other) => (other === same ? again : other));
      this.#leaveLater(again);
      return;
    }
    const shown = { ...notice, key: this.#nextKey++ };
    this.#shown.value = [...this.#shown.peek(), shown];
    this.#keepNewest(MOST_PASSING, (other) => other.severity !== "error");
    this.#keepNewest(MOST_OF_JOBS, (other) => other.severity === "error" && !!other.isOfJob);
    this.#leaveLater(shown);
  }

  /** A scene is sent again whenever layers come and go: what it says is news only once. */
  addOfScene(notices: readonly Notice[]): void {
    for (const notice of notices) {
      const seen = `${notice.severity} ${notice.text}`;
      if (this.#seenOfScene.has(seen)) continue;
      this.#seenOfScene.add(seen);
      this.add(notice);
    }
  }

  dismiss(key: number): void {
    this.#forget(key);
    this.#shown.value = this.#shown.peek().filter((notice) => notice.key !== key);
  }

  /** Whoever reads a notice (pointer on it, focus in it) keeps it. */
  hold(key: number): void {
    this.#forget(key);
  }

  release(key: number): void {
    const notice = this.#shown.peek().find((other) => other.key === key);
    if (notice) this.#leaveLater(notice);
  }

  #keepNewest(most: number, isOne: (notice: ShownNotice) => boolean): void {
    for (const old of this.#shown.peek().filter(isOne).slice(0, -most)) this.dismiss(old.key);
  }

  #leaveLater(notice: ShownNotice): void {
    this.#forget(notice.key);
    if (notice.severity === "error") return;
    const shownFor = notice.milliseconds ?? SHOWN_FOR_MS[notice.severity];
    const timer = setTimeout(() => this.dismiss(notice.key), shownFor);
    this.#timers.set(notice.key, timer);
  }

  #forget(key: number): void {
    clearTimeout(this.#timers.get(key));
    this.#timers.delete(key);
  }
}
