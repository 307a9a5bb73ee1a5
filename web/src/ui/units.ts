/** Units as people write them, and lengths in the unit that reads best. */

const SYMBOLS: Readonly<Record<string, string>> = {
  angstrom: "Å",
  picometer: "pm",
  nanometer: "nm",
  micrometer: "µm",
  micron: "µm",
  um: "µm",
  μm: "µm",
  millimeter: "mm",
  centimeter: "cm",
  meter: "m",
  kilometer: "km",
  inch: "in",
  nanosecond: "ns",
  microsecond: "µs",
  millisecond: "ms",
  second: "s",
  minute: "min",
  hour: "h",
  day: "d",
  pixel: "px",
};

/** Metres per unit; what is not here is not converted. */
const METRES: Readonly<Record<string, number>> = {
  Å: 1e-10,
  pm: 1e-12,
  nm: 1e-9,
  µm: 1e-6,
  mm: 1e-3,
  cm: 1e-2,
  m: 1,
  km: 1e3,
};

/** Units that a converted length is given in, from large to small. */
const LADDER = ["km", "m", "mm", "µm", "nm", "pm"] as const;

/** "µm" for "micrometer"; what is not known stays as it is. */
export function unitSymbol(unit: string | null): string {
  if (unit === null) return "";
  return SYMBOLS[unit] ?? SYMBOLS[unit.toLowerCase()] ?? unit;
}

/** The unit of an axis along which one looks: a space axis without a unit counts pixels. */
export function spaceSymbol(unit: string | null): string {
  return unitSymbol(unit) || "px";
}

/** The same length in the unit of the ladder that makes it at least one. */
export function readableLength(
  length: number,
  symbol: string,
): { readonly length: number; readonly symbol: string } {
  const metres = METRES[symbol];
  if (metres === undefined || !(length > 0)) return { length, symbol };
  const total = length * metres;
  // A hair of tolerance: 1000 nm must not stay in nm because 1000 * 1e-9 is below 1e-6.
  const best = LADDER.find((name) => total >= (METRES[name] ?? 1) * (1 - 1e-9)) ?? "pm";
  return { length: total / (METRES[best] ?? 1), symbol: best };
}
