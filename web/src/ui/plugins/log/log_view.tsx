/** The log of one plugin: to read, to search, to keep. */
import { type ReadonlySignal, useSignal } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { IconButton } from "../../icons.tsx";
import { datedName, saveFile } from "../../save_file.ts";
import { filtered, type LogLine, logText, timeText } from "./plugin_logs.ts";

type LogViewProps = {
  readonly name: string;
  readonly lines: ReadonlySignal<readonly LogLine[]>;
  readonly onClear: () => void;
};

/** Pixels from the end within which one reads the newest. */
const AT_END = 24;

export function LogView({ name, lines, onClear }: LogViewProps) {
  const words = useSignal("");
  const errorsOnly = useSignal(false);
  const list = useRef<HTMLOListElement>(null);
  const isAtEnd = useRef(true);
  const all = lines.value;
  const found = filtered(all, { words: words.value, errorsOnly: errorsOnly.value });
  const newest = found.at(-1)?.key;
  // biome-ignore lint/correctness/useExhaustiveDependencies: whenever there is a newer line.
  useLayoutEffect(() => {
    const element = list.current;
    if (element && isAtEnd.current) element.scrollTop = element.scrollHeight;
  }, [newest]);
  const save = () => {
    const file = datedName(`log of ${name}`, "txt", new Date());
    saveFile(file, new Blob([logText(all)], { type: "text/plain" }));
  };
  return (
    <div class="log">
      <div class="log-bar">
        <input
          type="search"
          class="text"
          aria-label={`Search the log of ${name}`}
          placeholder="Search"
          value={words.value}
          onInput={(event) => {
            words.value = event.currentTarget.value;
          }}
        />
        <button
          type="button"
          class="button"
          aria-pressed={errorsOnly.value}
          onClick={() => {
            errorsOnly.value = !errorsOnly.value;
          }}
        >
          Errors
        </button>
        <IconButton icon="save" label="Save the log" disabled={all.length === 0} onClick={save} />
        <IconButton
          icon="remove"
          label="Empty the log"
          disabled={all.length === 0}
          onClick={onClear}
        />
      </div>
      {found.length === 0 && (
        <p class="empty">{all.length === 0 ? "Nothing was logged yet." : "No line has that."}</p>
      )}
      <ol
        ref={list}
        class="log-lines"
        aria-label={`Log of ${name}`}
        // biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls has to be reached by keys.
        tabIndex={0}
        onScroll={({ currentTarget: { scrollTop, clientHeight, scrollHeight } }) => {
          isAtEnd.current = scrollTop + clientHeight > scrollHeight - AT_END;
        }}
      >
        {found.map(({ key, time, level, text, image }) => (
          <li key={key} class={`log-line log-${level}`}>
            <time class="log-time">{timeText(time)}</time>
            <span class="log-text">
              {level === "error" && <span class="visually-hidden">Error: </span>}
              {text}
              {image && <img class="log-image" src={image} alt="From the plugin" />}
            </span>
          </li>
        ))}
      </ol>
    </div>
  );
}
