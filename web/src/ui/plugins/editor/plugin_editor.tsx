/** The editor of a new plugin: what to start from, its text, Run, and running while one types. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { codeField } from "./code_field.ts";
import type { EditorDraft } from "./editor_draft.ts";
import { STARTING_TEXTS } from "./starting_texts.ts";

export function PluginEditor({ draft }: { readonly draft: EditorDraft }) {
  const box = useRef<HTMLDivElement>(null);
  /** Another text to start from is another field. */
  const started = useSignal(0);
  if (draft.text.value === "" && STARTING_TEXTS[0]) draft.start(STARTING_TEXTS[0]);
  const suffix = draft.suffix.value;
  const turn = started.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` stands for the text one starts from.
  useEffect(() => {
    const language = suffix === ".py" ? "python" : "html";
    const field = codeField(draft.text.peek(), language, "Source of the plugin", (text) =>
      draft.type(text),
    );
    box.current?.replaceChildren(field.element);
    return () => field.dispose();
  }, [draft, suffix, turn]);
  const said = draft.said.value;
  return (
    <form
      class="editor"
      aria-label="New plugin"
      onSubmit={(event) => {
        event.preventDefault();
        void draft.run(true);
      }}
      onKeyDownCapture={(event) => {
        const isRun = event.key === "Enter" || event.key.toLowerCase() === "s";
        if (!isRun || !(event.ctrlKey || event.metaKey)) return;
        event.preventDefault();
        event.stopPropagation();
        void draft.run(true);
      }}
    >
      <div class="editor-bar">
        <input
          type="text"
          class="text editor-name"
          aria-label="Name of the plugin's file"
          spellcheck={false}
          value={draft.name.value}
          onInput={(event) => {
            draft.name.value = event.currentTarget.value;
          }}
        />
        <span class="dim">{suffix}</span>
        <select
          class="select editor-start"
          aria-label="What to start from"
          onChange={(event) => {
            const chosen = STARTING_TEXTS[Number(event.currentTarget.value)];
            if (!chosen) return;
            draft.start(chosen);
            started.value += 1;
          }}
        >
          {STARTING_TEXTS.map(({ title }, i) => (
            <option key={title} value={String(i)}>
              {title}
            </option>
          ))}
        </select>
        <label class="form-none">
          <input
            type="checkbox"
            class="checkbox"
            checked={draft.isLive.value}
            onChange={(event) => {
              draft.isLive.value = event.currentTarget.checked;
            }}
          />
          Live
        </label>
        <button type="submit" class="button add-load" title="Run (Ctrl+Enter)">
          Run
        </button>
      </div>
      <div ref={box} class="editor-text" />
      <p
        class={said?.isProblem ? "editor-said form-problem" : "editor-said dim"}
        role={said?.isProblem ? "alert" : "status"}
      >
        {said?.text ?? "Ctrl+Enter runs it; Live runs it while you type."}
      </p>
    </form>
  );
}
