/** The code of a plugin, as it is ordered to be run: what a page and a worker have in common. */
import { isPlain, type Plain } from "../../imjoy/values.ts";

export type Order = {
  readonly type: string;
  readonly content: string;
  readonly lang: string;
  readonly src: string;
  readonly attrs: Plain;
  readonly requirements: readonly string[];
  readonly rel: string;
  readonly href: string;
};

export function orderIn(code: Plain): Order {
  const text = (name: string) => (typeof code[name] === "string" ? (code[name] as string) : "");
  const { attrs, requirements } = code;
  const list: unknown[] = Array.isArray(requirements) ? requirements : [requirements];
  return {
    type: text("type"),
    content: text("content"),
    lang: text("lang"),
    src: text("src"),
    rel: text("rel"),
    href: text("href"),
    attrs: isPlain(attrs) ? attrs : {},
    requirements: list.filter((one) => typeof one === "string"),
  };
}

export type Requirement = {
  readonly kind: "script" | "style" | "module" | "none";
  readonly address: string;
};

const MARKS = { js: "script", css: "style", mjs: "module", cache: "none" } as const;
const ENDS = { ".css": "style", ".mjs": "module", ".js": "script" } as const;

/** What a line of requirements asks for. */
export function requirementIn(line: string): Requirement {
  const [, mark = "", rest = ""] = /^(js|css|mjs|cache):(.*)$/.exec(line) ?? [];
  if (mark in MARKS) return { kind: MARKS[mark as keyof typeof MARKS], address: rest };
  const end = Object.entries(ENDS).find(([text]) => line.toLowerCase().endsWith(text));
  if (end) return { kind: end[1], address: line };
  return { kind: /^(https?:|\/)/.test(line) ? "script" : "none", address: line };
}

/** Runs text as a script of the page, where what it declares is global, as ImJoy does. */
export const runText = (text: string): unknown => {
  // biome-ignore lint/security/noGlobalEval: it is what a plugin is; nothing but the plugin is in this frame
  const indirect = globalThis.eval;
  return indirect(text);
};

/** Runs the text of a module. Addresses in it are whole ones. */
export async function runModule(text: string): Promise<void> {
  const address = URL.createObjectURL(new Blob([text], { type: "text/javascript" }));
  try {
    await import(/* @vite-ignore */ address);
  } finally {
    URL.revokeObjectURL(address);
  }
}
