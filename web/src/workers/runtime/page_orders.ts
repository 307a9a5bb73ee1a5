/** Runs a plugin's code in a page. */
import { messageOf, V1Error } from "../../imjoy/values.ts";
import { type Order, requirementIn, runModule, runText } from "./orders.ts";

/** Throws where it fails, or cannot be had. */
export async function runInPage(order: Order): Promise<void> {
  switch (order.type) {
    case "requirements":
      for (const line of order.requirements) await require(line);
      break;
    case "script":
      await script(order);
      break;
    case "style":
      await style(order);
      break;
    case "link":
      await link(order);
      break;
    case "html":
      html(order);
      break;
    default:
      throw new V1Error(`Nothing is known of code of type ${order.type}.`);
  }
}

async function require(line: string): Promise<void> {
  const { kind, address } = requirementIn(line);
  if (kind === "script") await loaded(made("script", { src: address, async: "" }));
  else if (kind === "style") await loaded(made("link", { rel: "stylesheet", href: address }));
  else if (kind === "module")
    await import(/* @vite-ignore */ new URL(address, document.baseURI).href);
}

async function script({ content, src, lang, attrs }: Order): Promise<void> {
  const isModule = attrs["type"] === "module";
  if (src) {
    if (isModule) await import(/* @vite-ignore */ new URL(src, document.baseURI).href);
    else await loaded(made("script", { src, async: "" }));
    return;
  }
  const isScript = ["", "javascript", "js", "ecmascript"].includes(
    lang || String(attrs["lang"] ?? ""),
  );
  if (!isScript) {
    // A library of the plugin may look for it: text of a shader, JSX.
    const node = made("script", attributesIn(attrs));
    node.textContent = content;
    document.body.append(node);
  } else if (isModule) await runModule(content);
  else await runText(content);
}

async function style({ content, src }: Order): Promise<void> {
  if (src) await loaded(made("link", { rel: "stylesheet", href: src }));
  if (!content.trim()) return;
  const node = document.createElement("style");
  node.textContent = content;
  document.head.append(node);
}

async function link({ rel, href, attrs }: Order): Promise<void> {
  const node = made("link", { ...attributesIn(attrs), rel, href });
  if (rel === "stylesheet") await loaded(node);
  else document.head.append(node);
}

/** The first element only: plugins are written for that. */
function html({ content }: Order): void {
  const template = document.createElement("template");
  template.innerHTML = content.trim();
  const first = template.content.firstChild;
  if (first) document.body.append(first);
}

function attributesIn(attrs: Readonly<Record<string, unknown>>): Record<string, string> {
  const entries = Object.entries(attrs).filter(([name]) => /^[a-z][a-z0-9-]*$/i.test(name));
  return Object.fromEntries(
    entries.map(([name, value]) => [name, value === true ? "" : String(value)]),
  );
}

function made(name: "script" | "link", attributes: Readonly<Record<string, string>>): HTMLElement {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key === "async" && node instanceof HTMLScriptElement) node.async = false;
    else node.setAttribute(key, value);
  }
  // What fails in it is told in full then.
  if (node instanceof HTMLScriptElement && node.src) node.crossOrigin = "anonymous";
  return node;
}

/**
 * Puts it into the page, and waits for what it loads. A script that fails while it runs is told, and does not stop the
 * plugin: nor does it in ImJoy.
 */
async function loaded(node: HTMLElement): Promise<void> {
  const address = node.getAttribute("src") ?? node.getAttribute("href");
  const failed = ({ error, message }: ErrorEvent) => {
    reportError(new V1Error(`${address} failed while it was run: ${messageOf(error ?? message)}`));
  };
  window.addEventListener("error", failed, { once: true });
  try {
    await new Promise<void>((resolve, reject) => {
      node.addEventListener("load", () => resolve());
      node.addEventListener("error", () => reject(new V1Error(`${address} cannot be loaded.`)));
      document.head.append(node);
    });
  } finally {
    window.removeEventListener("error", failed);
  }
}
