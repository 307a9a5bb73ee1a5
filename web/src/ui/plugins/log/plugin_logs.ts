/** What plugins have logged, by plugin. */
import { type ReadonlySignal, type Signal, signal } from "@preact/signals";
import type { Line } from "../service.ts";

export type LogLine = Line & { readonly key: number };

/** Of one plugin; the oldest go first. */
export const MOST_LINES = 2_000;
const LEVELS: readonly string[] = ["log", "info", "error", "status"];
const PICTURE = /^data:image\/(?:png|jpeg|gif|webp|bmp|svg\+xml)[;,]/i;

export class PluginLogs {
  readonly #logs = new Map<string, Signal<readonly LogLine[]>>();
  readonly #errors = signal<ReadonlyMap<string, number>>(new Map());
  #nextKey = 1;

  of(plugin: string): ReadonlySignal<readonly LogLine[]> {
    return this.#log(plugin);
  }

  /** Errors that nobody has looked at, by plugin. */
  get errors(): ReadonlySignal<ReadonlyMap<string, number>> {
    return this.#errors;
  }

  add(plugin: string, line: Line): void {
    const log = this.#log(plugin);
    const shown: LogLine = { ...checked(line), key: this.#nextKey++ };
    log.value = [...log.peek().slice(1 - MOST_LINES), shown];
    if (shown.level !== "error") return;
    const count = (this.#errors.peek().get(plugin) ?? 0) + 1;
    this.#errors.value = new Map([...this.#errors.peek(), [plugin, count]]);
  }

  seen(plugin: string): void {
    if (!this.#errors.peek().has(plugin)) return;
    const errors = new Map(this.#errors.peek());
    errors.delete(plugin);
    this.#errors.value = errors;
  }

  clear(plugin: string): void {
    this.#log(plugin).value = [];
    this.seen(plugin);
  }

  #log(plugin: string): Signal<readonly LogLine[]> {
    const found = this.#logs.get(plugin);
    if (found) return found;
    const log = signal<readonly LogLine[]>([]);
    this.#logs.set(plugin, log);
    return log;
  }
}

function checked({ time, level, text, image }: Line): Line {
  const isPicture = typeof image === "string" && PICTURE.test(image);
  return {
    time: Number.isFinite(time) ? time : 0,
    level: LEVELS.includes(level) ? level : "log",
    text: String(text),
    ...(isPicture ? { image } : {}),
  };
}

export type LineFilter = { readonly words: string; readonly errorsOnly: boolean };

/** The lines that have all words, in any order. */
export function filtered<T extends Line>(lines: readonly T[], filter: LineFilter): readonly T[] {
  const words = filter.words.toLowerCase().split(/\s+/).filter(Boolean);
  return lines.filter(({ level, text }) => {
    if (filter.errorsOnly && level !== "error") return false;
    const lower = text.toLowerCase();
    return words.every((word) => lower.includes(word));
  });
}

/** "14:30:05.123" of the day, as the clock on the wall shows it. */
export function timeText(seconds: number): string {
  const date = new Date(seconds * 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const milliseconds = String(date.getMilliseconds()).padStart(3, "0");
  return `${two(date.getHours())}:${two(date.getMinutes())}:${two(date.getSeconds())}.${milliseconds}`;
}

/** A file that holds a log. */
export function logText(lines: readonly Line[]): string {
  return lines
    .map(({ time, level, text, image }) => {
      const when = new Date(time * 1000).toISOString();
      return `${when} ${level.padEnd(6)} ${text}${image ? " (an image)" : ""}\n`;
    })
    .join("");
}
