/** What plugins ask and say in a page of others, as dialogs of the browser. */
import type { About, Asked, FormSpec, Told } from "../ui/plugins/service.ts";
import { element } from "./panels.ts";

type Answer<T> = { readonly value: T };

export function alertIn(place: HTMLElement, from: About, told: Told, ending: AbortSignal) {
  return ask(place, from, told, ending, { value: true }, () => ({ value: true }), false);
}

export function confirmIn(place: HTMLElement, from: About, told: Told, ending: AbortSignal) {
  return ask(place, from, told, ending, { value: false }, () => ({ value: true }), true);
}

export function promptIn(
  place: HTMLElement,
  from: About,
  asked: Asked,
  ending: AbortSignal,
): Promise<string | null> {
  const field = element("input", "");
  field.value = asked.value ?? "";
  field.placeholder = asked.placeholder ?? "";
  field.setAttribute("aria-label", asked.content || asked.title || "Answer");
  const leaving: Answer<string | null> = { value: null };
  return ask(place, from, asked, ending, leaving, () => ({ value: field.value }), true, field);
}

/** A form; its fields are loaded with the first one. */
export async function formIn(
  place: HTMLElement,
  from: About,
  form: FormSpec,
  ending: AbortSignal,
): Promise<unknown> {
  const [{ h, render }, { FormView }, { FormDraft }] = await Promise.all([
    import("preact"),
    import("../ui/plugins/built_in/form_view.tsx"),
    import("../ui/host/form_draft.ts"),
  ]);
  const { promise, resolve } = Promise.withResolvers<unknown>();
  const fields = element("div", "");
  const spec = { ...form, submitted: (values: unknown) => resolve(values) };
  render(h(FormView, { spec, draft: new FormDraft() }), fields);
  const close = show(place, from, form.title, [fields, leaveButton(() => resolve(null))], () =>
    resolve(null),
  );
  const end = () => resolve(null);
  ending.addEventListener("abort", end);
  try {
    return await promise;
  } finally {
    ending.removeEventListener("abort", end);
    render(null, fields);
    close();
  }
}

/** Text that may hold HTML: what makes that harmless is loaded where there is some. */
export async function words(text: string): Promise<Node> {
  const shown = element("p", "");
  if (!/<[a-z]/i.test(text)) shown.textContent = text;
  else {
    const { safeHtml } = await import("../ui/plugins/safe_html.ts");
    const box = element("div", "");
    box.replaceChildren(safeHtml(text));
    return box;
  }
  return shown;
}

async function ask<T>(
  place: HTMLElement,
  from: About,
  { title, content }: Told,
  ending: AbortSignal,
  leaving: Answer<T>,
  entered: () => Answer<T>,
  canLeave: boolean,
  field?: HTMLInputElement,
): Promise<T> {
  const { promise, resolve } = Promise.withResolvers<Answer<T>>();
  const text = await words(content);
  const enter = element("button", "", "OK");
  enter.type = "button";
  enter.addEventListener("click", () => resolve(entered()));
  field?.addEventListener("keydown", ({ key }) => key === "Enter" && resolve(entered()));
  const leave = () => resolve(leaving);
  const buttons = element("footer", "", ...(canLeave ? [leaveButton(leave)] : []), enter);
  const close = show(place, from, title ?? "", [text, ...(field ? [field] : []), buttons], leave);
  (field ?? enter).focus();
  ending.addEventListener("abort", leave);
  try {
    return (await promise).value;
  } finally {
    ending.removeEventListener("abort", leave);
    close();
  }
}

function leaveButton(leave: () => void): HTMLButtonElement {
  const button = element("button", "", "Cancel");
  button.type = "button";
  button.addEventListener("click", leave);
  return button;
}

/** Gives what takes it away. */
function show(
  place: HTMLElement,
  from: About,
  title: string,
  parts: readonly Node[],
  leave: () => void,
): () => void {
  const name = element("strong", "", title ? `${title} – ${from.name}` : from.name);
  const dialog = element(
    "dialog",
    "opsin-window",
    element("header", "opsin-window-title", name),
    element("div", "opsin-question", ...parts),
  );
  dialog.setAttribute("aria-label", name.textContent ?? "");
  dialog.addEventListener("cancel", (event) => {
    event.preventDefault();
    leave();
  });
  const before = document.activeElement;
  place.append(dialog);
  dialog.showModal();
  return () => {
    dialog.close();
    dialog.remove();
    if (before instanceof HTMLElement) before.focus({ preventScroll: true });
  };
}
