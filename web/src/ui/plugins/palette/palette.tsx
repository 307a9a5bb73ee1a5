/** The command palette: what can be done, found by a few letters of its name. */
import { useComputed, useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Entry } from "./entries.ts";
import { ranked } from "./fuzzy.ts";

const MOST = 60;

type PaletteProps = {
  readonly entries: () => readonly Entry[];
  readonly label: string;
  /** What is asked in the empty field. */
  readonly question: string;
  /** What there is to say where nothing can be found. */
  readonly nothing: string;
  readonly onClose: () => void;
};

export function Palette({ entries: given, label, question, nothing, onClose }: PaletteProps) {
  const query = useSignal("");
  const chosen = useSignal(0);
  const dialog = useRef<HTMLDialogElement>(null);
  const list = useRef<HTMLDivElement>(null);
  const entries = useComputed(() => given());
  const found = ranked(query.value, entries.value, ({ text, group }) => `${text} ${group}`).slice(
    0,
    MOST,
  );
  const at = Math.min(chosen.value, Math.max(0, found.length - 1));
  useLayoutEffect(() => dialog.current?.showModal(), []);
  useLayoutEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);
  const run = (entry: Entry | undefined) => {
    if (!entry) return;
    onClose();
    // When the dialog has given the focus back.
    setTimeout(() => entry.run());
  };
  const press = (event: KeyboardEvent) => {
    const steps = { ArrowDown: 1, ArrowUp: -1, PageDown: 8, PageUp: -8 }[event.key];
    if (steps !== undefined) {
      const next = at + steps;
      const isStep = Math.abs(steps) === 1;
      const last = found.length - 1;
      chosen.value = isStep
        ? (next + found.length) % Math.max(1, found.length)
        : clampTo(next, last);
    } else if (event.key === "Enter") run(found[at]?.item);
    else if (event.key.toLowerCase() === "k" && (event.ctrlKey || event.metaKey)) onClose();
    else return;
    event.preventDefault();
  };
  return (
    <dialog
      ref={dialog}
      class="palette"
      aria-label={label}
      onClose={onClose}
      onKeyDown={press}
      onClick={(event) => {
        if (event.target === dialog.current) onClose();
      }}
    >
      <div class="palette-body">
        <input
          type="text"
          class="palette-query"
          role="combobox"
          aria-label={`Search: ${label}`}
          aria-expanded="true"
          aria-controls="palette-list"
          aria-activedescendant={found.length > 0 ? `palette-${at}` : undefined}
          placeholder={question}
          autocomplete="off"
          spellcheck={false}
          value={query.value}
          onInput={(event) => {
            query.value = event.currentTarget.value;
            chosen.value = 0;
          }}
        />
        <div ref={list} id="palette-list" class="palette-list" role="listbox" aria-label="Found">
          {found.map(({ item, match }, i) => (
            // biome-ignore lint/a11y/useKeyWithClickEvents: Enter runs it, in the field above.
            <div
              key={item.id}
              id={`palette-${i}`}
              class="palette-entry"
              role="option"
              tabIndex={-1}
              aria-selected={i === at}
              onPointerMove={() => {
                chosen.value = i;
              }}
              onClick={() => run(item)}
            >
              <span class="palette-text">
                <Marked text={item.text} at={match.at} />
              </span>
              {item.keys.map((key) => (
                <kbd key={key}>{key}</kbd>
              ))}
              {item.keys.length === 0 && <span class="dim">{item.group}</span>}
            </div>
          ))}
        </div>
        {found.length === 0 && (
          <p class="empty">{entries.value.length > 0 ? "Nothing is called that." : nothing}</p>
        )}
      </div>
    </dialog>
  );
}

/** The letters that were typed stand out. */
function Marked({ text, at }: { readonly text: string; readonly at: readonly number[] }) {
  const marks = new Set(at);
  return (
    <>
      {[...text].map((letter, i) => (
        <span key={i} class={marks.has(i) ? "palette-mark" : undefined}>
          {letter}
        </span>
      ))}
    </>
  );
}

function clampTo(value: number, last: number): number {
  return Math.max(0, Math.min(value, last));
}
