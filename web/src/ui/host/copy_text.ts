/** Text of the host onto the clipboard. */
import type { Notices } from "../notices.ts";

/** `what` it is, as in "The path was copied." */
export async function copyText(text: string, what: string, notices: Notices): Promise<void> {
  try {
    await navigator.clipboard.writeText(text);
    notices.add({ severity: "info", text: `The ${what} was copied.` });
  } catch {
    notices.add({ severity: "warning", text: "This browser does not allow copying." });
  }
}
