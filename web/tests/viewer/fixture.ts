/** Fixtures that Python and TypeScript share (protocol/fixtures). */
import { readFileSync } from "node:fs";

export function fixture<T>(name: string): T {
  const path = new URL(`../../../protocol/fixtures/${name}.json`, import.meta.url);
  return JSON.parse(readFileSync(path, "utf-8")) as T;
}
