/** What is in a folder, in rows that the pointer and the keys choose. */
import { useEffect, useRef } from "preact/hooks";
import { Icon } from "../../icons.tsx";
import { formatBytes } from "../../numbers.ts";
import type { FolderEntry } from "../service.ts";
import type { Browsing } from "./browsing.ts";

/** Rows that Page Up and Page Down go by. */
const PAGE = 10;

type FolderRowsProps = { readonly browsing: Browsing; readonly isMany: boolean };

export function FolderRows({ browsing, isMany }: FolderRowsProps) {
  const list = useRef<HTMLDivElement>(null);
  const entries = browsing.entries.value;
  const row = browsing.row.value;
  const path = browsing.folder.value?.path;
  // biome-ignore lint/correctness/useExhaustiveDependencies: another folder is looked at from its top.
  useEffect(() => {
    list.current?.scrollTo({ top: 0 });
  }, [path]);
  // biome-ignore lint/correctness/useExhaustiveDependencies: the same row of another folder is elsewhere.
  useEffect(() => {
    list.current?.querySelector(`#file-row-${row}`)?.scrollIntoView({ block: "nearest" });
  }, [row, path]);
  const press = (event: KeyboardEvent) => {
    if (event.ctrlKey || event.metaKey || event.altKey) {
      if (event.key !== "Enter") return;
      browsing.choose();
    } else if (event.key === "Enter") {
      if (row < 0 || browsing.chosen.peek().size > 1) browsing.choose();
      else void browsing.open(row);
    } else if (event.key === "Backspace") void browsing.up();
    else if (event.key === " " && row >= 0) browsing.press(row, { more: true });
    else if (event.key in STEPS) {
      const step = STEPS[event.key as keyof typeof STEPS];
      browsing.move(row < 0 && step > 0 ? 0 : row + step, event.shiftKey);
    } else if (event.key === "Home") browsing.move(0, event.shiftKey);
    else if (event.key === "End") browsing.move(entries.length - 1, event.shiftKey);
    else if (event.key.length === 1) browsing.seek(event.key, event.timeStamp);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };
  const isLoading = browsing.isLoading.value;
  return (
    <div
      ref={list}
      class={isLoading ? "file-rows file-rows-loading" : "file-rows"}
      role="listbox"
      aria-label="Files and folders"
      aria-multiselectable={isMany}
      aria-busy={isLoading}
      aria-activedescendant={row < 0 ? undefined : `file-row-${row}`}
      tabIndex={0}
      data-first
      onKeyDown={press}
    >
      {entries.map((entry, i) => (
        <Row
          key={entry.path}
          entry={entry}
          row={i}
          isAt={i === row}
          isChosen={browsing.chosen.value.has(i)}
          browsing={browsing}
        />
      ))}
      {entries.length === 0 && !isLoading && browsing.folder.value && (
        <p class="empty">
          {browsing.wish.type === "directory"
            ? "There is no folder in here. Choose takes this one."
            : "There is nothing in here."}
        </p>
      )}
    </div>
  );
}

const STEPS = { ArrowDown: 1, ArrowUp: -1, PageDown: PAGE, PageUp: -PAGE } as const;

type RowProps = {
  readonly entry: FolderEntry;
  readonly row: number;
  readonly isAt: boolean;
  readonly isChosen: boolean;
  readonly browsing: Browsing;
};

function Row({ entry, row, isAt, isChosen, browsing }: RowProps) {
  return (
    // biome-ignore lint/a11y/useFocusableInteractive: the list has the focus, and says which row keys move.
    // biome-ignore lint/a11y/useKeyWithClickEvents: the list hears the keys.
    <div
      id={`file-row-${row}`}
      class={isAt ? "file-row file-row-at" : "file-row"}
      role="option"
      aria-selected={isChosen}
      onClick={(event) => {
        const { ctrlKey, metaKey, shiftKey } = event;
        // Nobody taps twice.
        const isTap = event instanceof PointerEvent && event.pointerType === "touch";
        if (isTap && entry.is_folder) void browsing.open(row);
        else browsing.press(row, { more: isTap || ctrlKey || metaKey, through: shiftKey });
      }}
      onDblClick={() => void browsing.open(row)}
    >
      <Icon name={entry.is_folder ? "folder" : "file"} />
      <span class="file-name" title={entry.name}>
        {entry.name}
      </span>
      {!entry.is_folder && <span class="file-size dim">{formatBytes(entry.size)}</span>}
    </div>
  );
}
