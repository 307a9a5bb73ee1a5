/** A plugin's code, as v1 orders it to be run. Pure. */
import type { Plain } from "../imjoy/values.ts";
import type { Code } from "./frame_spec.ts";

/** `opsin`: what only our own frame knows: the name for messages, and where it comes from. */
export function orderOf(code: Code): Plain {
  const { type, content, lang, attrs, src, address } = code;
  const ours = { opsin: { address, src } };
  switch (type) {
    case "requirement":
      return {
        type: "requirements",
        lang: "javascript",
        requirements: [requirementOf(code)],
        ...ours,
      };
    case "style":
      return { type: "style", content, attrs: { ...attrs }, src, ...ours };
    case "link": {
      const { rel = "stylesheet", href } = attrs;
      return { type: "link", rel, href: src || href || address, attrs: { ...attrs }, ...ours };
    }
    case "html":
      return { type: "html", content, attrs: { ...attrs }, ...ours };
    default: {
      const kind = type === "module" ? { type: "module" } : {};
      return {
        type: "script",
        content,
        lang: lang || "javascript",
        attrs: { ...attrs, lang: lang || "javascript", ...kind },
        src,
        ...ours,
      };
    }
  }
}

/** With the mark that says what it is: an address that the host serves need not. */
function requirementOf({ lang, src, address }: Code): string {
  const place = src || address;
  const mark = { style: "css:", module: "mjs:", cache: "cache:" }[lang] ?? "js:";
  return `${mark}${place}`;
}

/** What it is called in a message. */
export function nameOf({ type, address, src }: Code): string {
  const what = { requirement: "requirement", style: "style", link: "link", html: "window" }[
    type as string
  ];
  const name = address || src;
  return name ? `The ${what ?? "script"} ${name}` : `The ${what ?? "script"}`;
}
