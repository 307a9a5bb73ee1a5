/** Something to say to all who listen now, each at their own pace. */
export class Feed<T> {
  readonly #listeners = new Set<(item: T) => void>();

  say(item: T): void {
    for (const listener of this.#listeners) listener(item);
  }

  /** First what was said before, then what is said from now on. */
  async *from(first: T): AsyncGenerator<T> {
    const waiting: T[] = [first];
    let wake = () => {};
    const listener = (item: T) => {
      waiting.push(item);
      wake();
    };
    this.#listeners.add(listener);
    try {
      for (;;) {
        const next = waiting.shift();
        if (next !== undefined) yield next;
        else {
          await new Promise<void>((resolve) => {
            wake = resolve;
          });
        }
      }
    } finally {
      this.#listeners.delete(listener);
    }
  }
}
