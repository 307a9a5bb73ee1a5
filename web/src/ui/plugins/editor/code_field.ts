/** A field for code: CodeMirror in the colours of the app. */
import { html } from "@codemirror/lang-html";
import { python } from "@codemirror/lang-python";
import { HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { tags } from "@lezer/highlight";
import { basicSetup, EditorView } from "codemirror";

const LOOK = EditorView.theme(
  {
    "&": { height: "100%", fontSize: "12.5px", backgroundColor: "var(--surface-0)" },
    "&.cm-focused": { outline: "none" },
    ".cm-scroller": { fontFamily: 'ui-monospace, "Cascadia Mono", "DejaVu Sans Mono", monospace' },
    ".cm-content": { caretColor: "var(--accent)" },
    ".cm-cursor": { borderLeftColor: "var(--accent)" },
    ".cm-gutters": {
      backgroundColor: "var(--surface-0)",
      color: "var(--text-dim)",
      border: "none",
    },
    ".cm-activeLine, .cm-activeLineGutter": { backgroundColor: "rgb(255 255 255 / 4%)" },
    "&.cm-focused .cm-selectionBackground, .cm-selectionBackground": {
      backgroundColor: "var(--accent-deep) !important",
    },
    ".cm-panels": { backgroundColor: "var(--surface-2)", color: "var(--text)" },
    ".cm-tooltip": { backgroundColor: "var(--surface-3)", border: "1px solid var(--line-strong)" },
  },
  { dark: true },
);

const COLOURS = syntaxHighlighting(
  HighlightStyle.define([
    { tag: [tags.keyword, tags.operatorKeyword, tags.modifier], color: "#c792ea" },
    { tag: [tags.string, tags.special(tags.string)], color: "#a5d6a7" },
    { tag: [tags.number, tags.bool, tags.null], color: "#f2b84b" },
    { tag: [tags.comment, tags.meta], color: "#7d8794", fontStyle: "italic" },
    { tag: [tags.function(tags.variableName), tags.tagName], color: "#5cc8e8" },
    { tag: [tags.className, tags.typeName, tags.attributeName], color: "#f0c987" },
    { tag: tags.invalid, color: "var(--error)" },
  ]),
);

export type CodeField = { readonly element: HTMLElement; dispose(): void };

export function codeField(
  text: string,
  language: "python" | "html",
  label: string,
  onType: (text: string) => void,
): CodeField {
  const view = new EditorView({
    doc: text,
    extensions: [
      basicSetup,
      language === "python" ? python() : html(),
      LOOK,
      COLOURS,
      EditorView.contentAttributes.of({ "aria-label": label }),
      EditorView.updateListener.of(({ docChanged, state }) => {
        if (docChanged) onType(state.doc.toString());
      }),
    ],
  });
  return { element: view.dom, dispose: () => view.destroy() };
}
