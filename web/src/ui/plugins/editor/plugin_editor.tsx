/** The editor of a plugin: what to start from, its text, Save, Run, and running while one types. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import { codeField } from "./code_field.ts";
import type { EditorDraft } from "./editor_draft.ts";
import { STARTING_TEXTS } from "./starting_texts.ts";

export function PluginEditor({ draft }: { readonly draft: EditorDraft }) {
  const { changed } = draft;
  const box = useRef<HTMLDivElement>(null);
  /** Another text to start from is another field. */
  const started = useSignal(0);
  if (!changed && draft.text.value === "" && STARTING_TEXTS[0]) draft.start(STARTING_TEXTS[0]);
  const isHtml = draft.fileName.endsWith(".html");
  const turn = started.value;
  // biome-ignore lint/correctness/useExhaustiveDependencies: `turn` stands for the text one starts from.
  useEffect(() => {
    const language = isHtml ? "html" : "python";
    const field = codeField(draft.text.peek(), language, "Source of the plugin", (text) =>
      draft.type(text),
    );
    box.current?.replaceChildren(field.element);
    return () => field.dispose();
  }, [draft, isHtml, turn]);
  const said = draft.said.value;
  const press = (event: KeyboardEvent) => {
    if (!(event.ctrlKey || event.metaKey)) return;
    const isSave = event.key.toLowerCase() === "s";
    if (!isSave && event.key !== "Enter") return;
    event.preventDefault();
    event.stopPropagation();
    void (isSave && changed ? draft.save() : draft.run(true));
  };
  return (
    <form
      class="editor"
      aria-label={changed ? `Source of ${changed.file_name}` : "New plugin"}
      onSubmit={(event) => {
        event.preventDefault();
        void draft.run(true);
      }}
      onKeyDownCapture={press}
    >
      <div class="editor-bar">
        {changed ? (
          <span class="editor-file" title={changed.file_name}>
            {changed.file_name}
            {draft.isUnsaved.value && <span class="dim"> · not saved</span>}
          </span>
        ) : (
          <Starting
            draft={draft}
            onStart={() => {
              started.value += 1;
            }}
          />
        )}
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
        {changed && (
          <button
            type="button"
            class="button"
            title="Save (Ctrl+S)"
            onClick={() => void draft.save()}
          >
            Save
          </button>
        )}
        <button type="submit" class="button add-load" title="Run (Ctrl+Enter)">
          {changed ? "Save and run" : "Run"}
        </button>
      </div>
      <div ref={box} class="editor-text" />
      <p
        class={said?.isProblem ? "editor-said form-problem" : "editor-said dim"}
        role={said?.isProblem ? "alert" : "status"}
      >
        {said?.text ??
          `${changed ? "Ctrl+S saves it, " : ""}Ctrl+Enter runs it; Live runs it while you type.`}
      </p>
    </form>
  );
}

type StartingProps = { readonly draft: EditorDraft; readonly onStart: () => void };

/** What a new plugin is called, and what one starts from. */
function Starting({ draft, onStart }: StartingProps) {
  return (
    <>
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
      <span class="dim">{draft.suffix.value}</span>
      <select
        class="select editor-start"
        aria-label="What to start from"
        onChange={(event) => {
          const chosen = STARTING_TEXTS[Number(event.currentTarget.value)];
          if (!chosen) return;
          draft.start(chosen);
          onStart();
        }}
      >
        {STARTING_TEXTS.map(({ title }, i) => (
          <option key={title} value={String(i)}>
            {title}
          </option>
        ))}
      </select>
    </>
  );
}
