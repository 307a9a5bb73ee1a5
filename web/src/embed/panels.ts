/** Windows of plugins in a page of others: plain panels with a title, or elements that the page has for them. */
import type { WindowOfFrame } from "../workers/frame_spec.ts";

/** ImJoy's grid. */
const UNIT = 30;
const USUAL_HEIGHT = 10;

export type Heard = { readonly closed: () => Promise<void>; readonly focused: () => void };

export type Panel = {
  /** Where the window's content goes. */
  readonly element: HTMLElement;
  readonly show: () => void;
  readonly hide: () => void;
  readonly resize: (w: unknown, h: unknown) => void;
  /** As the page's user closes it. */
  readonly close: () => Promise<void>;
  /** Take it away. */
  readonly remove: () => void;
};

const RULES = `
.opsin-window { display: flex; flex-direction: column; box-sizing: border-box; max-width: 100%; margin: 0 0 12px;
  padding: 0; border: 1px solid #8a939e; border-radius: 6px; background: #fff; color: #16191d; overflow: hidden;
  font: 14px/1.4 system-ui, sans-serif; }
.opsin-window[hidden] { display: none; }
dialog.opsin-window { width: min(90vw, 720px); margin: auto; }
dialog.opsin-window:not([open]) { display: none; }
dialog.opsin-window::backdrop { background: rgb(0 0 0 / 45%); }
.opsin-window-title { display: flex; align-items: center; gap: 8px; padding: 2px 4px 2px 10px; background: #e8ebef; }
.opsin-window-title > strong { flex: 1; overflow: hidden; text-overflow: ellipsis; white-space: nowrap; }
.opsin-window button { min-width: 32px; min-height: 32px; border: 1px solid #8a939e; border-radius: 4px;
  background: #fff; color: inherit; font: inherit; cursor: pointer; }
.opsin-window button:focus-visible { outline: 2px solid #0b57d0; outline-offset: 1px; }
.opsin-window-body { position: relative; flex: none; overflow: auto; }
.opsin-window-body img, .opsin-window-body canvas { max-width: 100%; }
.opsin-question { padding: 12px 16px; }
.opsin-question p { margin: 0 0 12px; white-space: pre-wrap; overflow-wrap: anywhere; }
.opsin-question input { box-sizing: border-box; width: 100%; min-height: 32px; margin: 0 0 12px; font: inherit; }
.opsin-question footer { display: flex; justify-content: flex-end; gap: 8px; }
.opsin-notice { margin: 0 0 8px; padding: 6px 10px; border-left: 4px solid #0b57d0; background: #e8ebef;
  color: #16191d; font: 14px/1.4 system-ui, sans-serif; overflow-wrap: anywhere; }
.opsin-hidden { position: absolute; width: 0; height: 0; overflow: hidden; }
`;

let isStyled = false;

/** Once for a page, by its scripts: a page whose policy forbids `<style>` allows that. */
export function styleWindows(): void {
  if (isStyled) return;
  isStyled = true;
  const sheet = new CSSStyleSheet();
  sheet.replaceSync(RULES);
  document.adoptedStyleSheets = [...document.adoptedStyleSheets, sheet];
}

let number = 0;

export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  className: string,
  ...children: (Node | string)[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  made.className = className;
  made.append(...children);
  return made;
}

export function openPanel(
  container: HTMLElement,
  name: string,
  spec: WindowOfFrame,
  heard: Heard,
): Panel {
  const body = element("div", "opsin-window-body");
  const place = placeOf(spec);
  if (place) {
    body.style.height = "100%";
    place.append(body);
    return controls(place, body, heard, () => body.remove());
  }
  const title = element("strong", "", spec.title || name);
  title.id = `opsin-window-${++number}`;
  const button = element("button", "", "×");
  button.type = "button";
  button.setAttribute("aria-label", `Close ${spec.title || name}`);
  const frame = element(
    spec.dialog ? "dialog" : "section",
    "opsin-window",
    element("header", "opsin-window-title", title, button),
    body,
  );
  frame.setAttribute("aria-labelledby", title.id);
  const panel = controls(frame, body, heard, () => {
    if (frame instanceof HTMLDialogElement) frame.close();
    frame.remove();
  });
  panel.resize(spec.w, spec.h || USUAL_HEIGHT);
  button.addEventListener("click", () => void panel.close());
  frame.addEventListener("cancel", (event) => {
    event.preventDefault();
    void panel.close();
  });
  container.append(frame);
  if (frame instanceof HTMLDialogElement) frame.showModal();
  return panel;
}

function controls(frame: HTMLElement, body: HTMLElement, heard: Heard, remove: () => void): Panel {
  let isClosing = false;
  const focused = () => heard.focused();
  frame.addEventListener("focusin", focused);
  return {
    element: body,
    show: () => {
      frame.hidden = false;
      frame.scrollIntoView({ block: "nearest" });
    },
    hide: () => {
      frame.hidden = true;
    },
    resize: (w, h) => {
      if (isSize(w)) frame.style.width = `${w * UNIT}px`;
      if (isSize(h)) body.style.height = `${h * UNIT}px`;
    },
    close: async () => {
      if (isClosing) return;
      isClosing = true;
      frame.hidden = true;
      await heard.closed();
    },
    remove: () => {
      frame.removeEventListener("focusin", focused);
      if (frame !== body.parentElement || frame.classList.contains("opsin-window")) remove();
      else {
        remove();
        frame.hidden = false;
      }
    },
  };
}

/** An element that the page keeps for a window: nothing is in it that a plugin could put itself before. */
function placeOf({ window_id, dialog }: WindowOfFrame): HTMLElement | null {
  const found = dialog ? null : document.getElementById(window_id);
  return found && found.childNodes.length === 0 ? found : null;
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && value > 0 && Number.isFinite(value);
}
