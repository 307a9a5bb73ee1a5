/** What to call what is open. */
import type { Scene } from "../viewer/types.ts";

const SHORTEST_COMMON = 3;

/** The name of the one image (or labels, where there is none), what the names have in common, or the first and how many more. */
export function imageTitle(scene: Scene | null): string {
  const layers = scene?.layers ?? [];
  const images = layers.filter((layer) => layer.kind !== "labels");
  const named = images.length > 0 ? images : layers;
  // The server writes "channel · image".
  const names = [...new Set(named.map((layer) => layer.name.split(" · ").at(-1) ?? layer.name))];
  const [first, ...others] = names;
  if (first === undefined) return "";
  if (others.length === 0) return first;
  const common = commonStart(names);
  return common.length >= SHORTEST_COMMON ? common : `${first} +${others.length}`;
}

export function pageTitle(scene: Scene | null): string {
  const title = imageTitle(scene);
  return title ? `${title} — Opsin` : "Opsin";
}

/** The start that all names share, up to a separator: "plate" of "plate: DAPI" and "plate: GFP". */
function commonStart(names: readonly string[]): string {
  const first = names[0] ?? "";
  let length = first.length;
  for (const name of names) {
    while (!name.startsWith(first.slice(0, length))) length -= 1;
  }
  const shared = first.slice(0, length);
  const end = shared.search(/[\s:·\-–—_/[(.]+[^\s:·\-–—_/[(.]*$/);
  return end > 0 ? shared.slice(0, end) : "";
}
