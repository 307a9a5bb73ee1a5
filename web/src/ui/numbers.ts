/** Numbers as people read them. */

const BYTE_UNITS = ["B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB"] as const;

/** "1.5 MiB": three digits at most, except for whole bytes. */
export function formatBytes(bytes: number): string {
  if (!Number.isFinite(bytes)) return "–";
  let amount = Math.max(0, bytes);
  let unit = 0;
  while (amount >= 1023.5 && unit < BYTE_UNITS.length - 1) {
    amount /= 1024;
    unit += 1;
  }
  const digits = unit === 0 || amount >= 99.95 ? 0 : 1;
  return `${amount.toFixed(digits)} ${BYTE_UNITS[unit] ?? "B"}`;
}

/** A number with the decimals that a step of `resolution` makes meaningful. */
export function formatAt(value: number, resolution: number): string {
  if (!Number.isFinite(value)) return "–";
  if (!(resolution > 0) || !Number.isFinite(resolution)) return trimmed(value, 6);
  if (Math.abs(value) >= 1e9 || (value !== 0 && resolution < 1e-6)) return trimmed(value, 7);
  const decimals = Math.min(6, Math.max(0, Math.ceil(-Math.log10(resolution) - 1e-9)));
  return withoutMinusZero(value.toFixed(decimals));
}

/** At most `digits` significant digits, no trailing zeros; exponents only where they help. */
export function trimmed(value: number, digits = 5): string {
  if (!Number.isFinite(value)) return "–";
  if (Number.isInteger(value) && Math.abs(value) < 1e9) return withoutMinusZero(String(value));
  return withoutMinusZero(String(Number(value.toPrecision(digits))));
}

/** A zoom factor as a percentage: 0.04 %, 12.5 %, 100 %, 1600 %. */
export function formatPercent(factor: number): string {
  if (!Number.isFinite(factor)) return "–";
  const percent = factor * 100;
  if (percent >= 99.95) return `${Math.round(percent)} %`;
  return `${Number(percent.toPrecision(percent >= 10 ? 3 : 2))} %`;
}

/** How many: 950, 12,300, 4.2 million, 1.5·10^9. */
export function formatCount(count: number): string {
  if (count < 1e6) return Math.round(count).toLocaleString("en");
  if (count < 1e9) return `${trimmed(count / 1e6, 3)} million`;
  const power = Math.floor(Math.log10(count));
  const first = trimmed(count / 10 ** power, 3);
  const digits = [...String(power)].map((digit) => "⁰¹²³⁴⁵⁶⁷⁸⁹"[Number(digit)]).join("");
  return `${first === "1" ? "" : `${first}·`}10${digits}`;
}

export function formatMilliseconds(milliseconds: number): string {
  if (!Number.isFinite(milliseconds)) return "–";
  return milliseconds >= 100 ? `${Math.round(milliseconds)} ms` : `${milliseconds.toFixed(1)} ms`;
}

/** A time that a person waits: 0.4 s, 12 s, 3 min 5 s, 2 h 10 min. */
export function formatSeconds(seconds: number): string {
  if (!Number.isFinite(seconds)) return "–";
  if (seconds < 9.95) return `${Math.max(0, seconds).toFixed(1)} s`;
  const whole = Math.round(seconds);
  if (whole < 60) return `${whole} s`;
  const minutes = Math.floor(whole / 60);
  return minutes < 60
    ? `${minutes} min ${whole % 60} s`
    : `${Math.floor(minutes / 60)} h ${minutes % 60} min`;
}

/** A time that is running: 0:07, 12:30, 1:02:05. */
export function formatClock(seconds: number): string {
  const whole = Math.max(0, Math.floor(seconds));
  const two = (value: number) => String(value).padStart(2, "0");
  const minutes = Math.floor(whole / 60);
  if (minutes < 60) return `${minutes}:${two(whole % 60)}`;
  return `${Math.floor(minutes / 60)}:${two(minutes % 60)}:${two(whole % 60)}`;
}

export function clamp(value: number, low: number, high: number): number {
  return Math.min(Math.max(value, low), high);
}

/** Text a person typed as a finite number, or null. A decimal comma counts as a point. */
export function parseNumber(text: string): number | null {
  const cleaned = text.trim().replace(",", ".");
  if (cleaned === "") return null;
  const value = Number(cleaned);
  return Number.isFinite(value) ? value : null;
}

function withoutMinusZero(text: string): string {
  return /^-0(\.0*)?$/.test(text) ? text.slice(1) : text;
}
