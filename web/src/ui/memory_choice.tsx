/** How much graphics memory a canvas may fill: chosen here, kept for the next time. */
import type { Desk } from "./desk.ts";
import { formatBytes } from "./numbers.ts";

const SIZES = [32, 64, 128, 256, 512, 1024, 2048].map((mebibytes) => mebibytes * 2 ** 20);
const KEPT = "opsin.slots";

/** What was chosen before, in this browser. */
export function keptSlots(): number | undefined {
  try {
    const kept = Number(localStorage.getItem(KEPT));
    return SIZES.includes(kept) ? kept : undefined;
  } catch {
    return undefined; // some browsers keep nothing, and say so by an error
  }
}

function keep(slots: number): void {
  try {
    localStorage.setItem(KEPT, String(slots));
  } catch {
    // It holds for this page, then.
  }
}

export function MemoryChoice({ desk }: { readonly desk: Desk }) {
  const slots = desk.slots.value;
  const sizes = [...new Set([...SIZES, slots])].sort((a, b) => a - b);
  return (
    <label>
      <span class="dim">Memory</span>{" "}
      <select
        class="select"
        value={String(slots)}
        title="Graphics memory for what is on the canvas, at most: what wants more is shown coarser"
        onChange={(event) => {
          const chosen = Number(event.currentTarget.value);
          desk.setSlots(chosen);
          keep(chosen);
        }}
      >
        {sizes.map((size) => (
          <option key={size} value={String(size)}>
            {formatBytes(size).replace(".0 ", " ")}
          </option>
        ))}
      </select>
    </label>
  );
}
