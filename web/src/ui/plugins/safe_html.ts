/**
 * HTML and markdown that plugins wrote, made harmless: the only place where text of others becomes elements.
 *
 * What is left can be looked at and followed as a link. It cannot run, look like a part of the app, cover it, ask
 * for what one types, or ask another computer for anything before somebody clicks.
 */
import DOMPurify, { type Config } from "dompurify";
import { marked } from "marked";

const RULES: Config = {
  USE_PROFILES: { html: true },
  FORBID_TAGS: [
    ...["style", "form", "input", "button", "select", "option", "textarea", "label", "fieldset"],
    ...["iframe", "frame", "object", "embed", "link", "meta", "base", "audio", "video", "source"],
    ...["dialog", "slot", "template", "map", "area", "picture", "track", "marquee"],
  ],
  FORBID_ATTR: [
    ...["class", "id", "name", "for", "is", "slot", "part", "usemap", "popover", "popovertarget"],
    ...["popovertargetaction", "autofocus", "tabindex", "accesskey", "contenteditable", "inert"],
    ...["srcset", "background", "poster", "ping", "download", "draggable", "hidden", "role"],
  ],
  ALLOW_DATA_ATTR: false,
  ALLOW_ARIA_ATTR: false,
  ALLOWED_URI_REGEXP: /^(?:https?:|mailto:|data:image\/(?:png|jpeg|gif|webp|bmp);base64,|#)/i,
  RETURN_DOM_FRAGMENT: true,
};

/** Of a style, what only changes how text looks. */
const STYLES = new Set([
  ...["color", "background-color", "font-weight", "font-style", "font-size", "text-align"],
  ...["text-decoration", "white-space", "margin", "padding", "width", "max-width", "border"],
  ...["border-collapse", "vertical-align", "list-style", "line-height"],
]);
const PLAIN_VALUE = /^[\w\s#%.,()+-]{1,100}$/;
const PICTURE = /^data:image\//i;

const purifier = DOMPurify(window);

purifier.addHook("uponSanitizeAttribute", (_, data) => {
  if (data.attrName !== "style") return;
  data.attrValue = plainStyle(data.attrValue);
  data.keepAttr = data.attrValue !== "";
});

purifier.addHook("afterSanitizeAttributes", (element) => {
  if (element.tagName === "A") {
    const address = element.getAttribute("href") ?? "";
    // A place in the page is one of the app's.
    if (!/^(?:https?:|mailto:)/i.test(address)) element.removeAttribute("href");
    element.setAttribute("target", "_blank");
    element.setAttribute("rel", "noopener noreferrer");
  }
  if (element.tagName === "IMG" && !PICTURE.test(element.getAttribute("src") ?? "")) {
    // Asking for it would tell its server that it was looked at.
    const text = element.ownerDocument.createElement("span");
    text.textContent = element.getAttribute("alt") || "(a picture of another site)";
    element.replaceWith(text);
  }
});

/** Elements of a document that is shown, for `replaceChildren`. */
export function safeHtml(html: string): DocumentFragment {
  return purifier.sanitize(html, RULES) as unknown as DocumentFragment;
}

export function safeMarkdown(text: string): DocumentFragment {
  return safeHtml(marked.parse(text, { async: false, gfm: true, breaks: true }));
}

function plainStyle(style: string): string {
  return style
    .split(";")
    .map((one) => one.split(":"))
    .flatMap(([name = "", ...rest]) => {
      const property = name.trim().toLowerCase();
      const value = rest.join(":").trim();
      const isPlain = PLAIN_VALUE.test(value) && !/url|expression|var\s*\(/i.test(value);
      return STYLES.has(property) && isPlain && !value.includes("-")
        ? [`${property}: ${value}`]
        : [];
    })
    .join("; ");
}
