/** Which plugins run as ImJoy's do: on the desk, with windows and a form, and not as jobs. */
import type { Plugin } from "./host_service.ts";

const OWN_KINDS: readonly string[] = ["", "native-python", "napari"];

export function isImjoy({ kind, source }: Pick<Plugin, "kind" | "source">): boolean {
  return !OWN_KINDS.includes(kind) || /\.imjoy\.html$/i.test(source);
}
