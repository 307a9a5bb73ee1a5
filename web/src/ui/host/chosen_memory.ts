/** Which operation's form is open, kept over a reload of the page. */

/** By the id of the plugin and the name of the operation. */
export type ChosenNames = readonly [plugin: string, operation: string];

type KeyStorage = Pick<Storage, "getItem" | "setItem" | "removeItem">;

const KEY = "opsin.operation";

export class ChosenMemory {
  readonly #storage: () => KeyStorage;

  /** `storage`: asked for at each use, since a browser may refuse to give it. */
  constructor(storage: () => KeyStorage) {
    this.#storage = storage;
  }

  recall(): ChosenNames | null {
    try {
      const names: unknown = JSON.parse(this.#storage().getItem(KEY) ?? "null");
      if (!Array.isArray(names)) return null;
      const [plugin, operation] = names as readonly unknown[];
      return typeof plugin === "string" && typeof operation === "string"
        ? [plugin, operation]
        : null;
    } catch {
      return null;
    }
  }

  keep(names: ChosenNames | null): void {
    try {
      if (names) this.#storage().setItem(KEY, JSON.stringify(names));
      else this.#storage().removeItem(KEY);
    } catch {
      // Then a reload shows the list.
    }
  }
}
