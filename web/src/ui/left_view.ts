/**
 * What a page showed when it was left, for the moment when it is loaded again.
 *
 * A reload goes to the address that the page had before, whatever is written to it while it is left.
 */

const KEY = "opsin.left-view";

/** Keep the view's part of the address. */
export function leave(hash: string): void {
  try {
    sessionStorage.setItem(KEY, hash);
  } catch {
    // The browser keeps nothing here: the address holds what is older than a moment.
  }
}

/** What was kept, if this page is loaded again and was not opened by an address; else ''. Asked for once. */
export function returned(): string {
  try {
    const hash = sessionStorage.getItem(KEY) ?? "";
    sessionStorage.removeItem(KEY);
    const [navigation] = performance.getEntriesByType("navigation");
    return (navigation as PerformanceNavigationTiming | undefined)?.type === "reload" ? hash : "";
  } catch {
    return "";
  }
}
