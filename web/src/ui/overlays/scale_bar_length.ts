/** How long a scale bar is, and what it says: 1, 2 or 5 times a power of ten of a good unit. */
import { formatAt, trimmed } from "../numbers.ts";
import { readableLength } from "../units.ts";

export type ScaleBarLength = {
  /** CSS pixels. */
  readonly pixels: number;
  readonly label: string;
};

/**
 * The longest round length within `maximum` CSS pixels.
 *
 * `worldPerPixel`: world units per CSS pixel; `symbol`: "µm", "px", …
 */
export function scaleBarLength(
  worldPerPixel: number,
  symbol: string,
  maximum: number,
): ScaleBarLength | null {
  const longest = worldPerPixel * maximum;
  if (!(longest > 0) || !Number.isFinite(longest)) return null;
  // Round in the unit that is shown, so that a bar never reads 0.5 mm beside a step of 512 µm.
  const readable = readableLength(longest, symbol);
  const round = roundStep(readable.length);
  const pixels = (maximum * round) / readable.length;
  const shown = readableLength(round, readable.symbol);
  return { pixels, label: `${roundLabel(shown.length)} ${shown.symbol}` };
}

/** The largest of 1, 2, 5 times a power of ten that is not above `limit`. */
export function roundStep(limit: number): number {
  const power = 10 ** Math.floor(Math.log10(limit) + 1e-12);
  const ratio = limit / power + 1e-9;
  return power * (ratio >= 5 ? 5 : ratio >= 2 ? 2 : 1);
}

function roundLabel(length: number): string {
  return length >= 1e6 || length < 1e-4 ? trimmed(length, 1) : formatAt(length, stepOf(length));
}

/** The decimal place of a round length: 0.05 for 0.05, 1 for 200. */
function stepOf(length: number): number {
  return Math.min(1, 10 ** Math.floor(Math.log10(length) + 1e-9));
}
