/** Has files or folders of the host's computer chosen: in its folders, or by their paths where it shows none. */
import type { ComponentChildren } from "preact";
import { useEffect, useMemo } from "preact/hooks";
import type { ChosenFile, FileWish } from "../service.ts";
import { Browsing } from "./browsing.ts";
import { FolderRows } from "./folder_rows.tsx";
import { stepsOf, takesMany } from "./folder_view.ts";
import type { Folders } from "./folders.ts";
import { Modal } from "./modal.tsx";
import { PathDialog } from "./path_dialog.tsx";

export type FileDialogProps = {
  readonly wish: FileWish;
  readonly folders: Folders;
  readonly from: string;
  readonly stop: ComponentChildren;
  readonly answer: (files: readonly ChosenFile[] | null) => void;
};

export function FileDialog({ wish, folders, from, stop, answer }: FileDialogProps) {
  // biome-ignore lint/correctness/useExhaustiveDependencies: a dialog is of one question.
  const browsing = useMemo(() => new Browsing(wish, folders, answer), []);
  useEffect(() => void browsing.begin(), [browsing]);
  const isFolder = wish.type === "directory";
  const title =
    wish.title ||
    (isFolder ? "Choose a folder" : takesMany(wish) ? "Choose files" : "Choose a file");
  const problem = browsing.problem.value;
  if (browsing.isRefused.value) {
    return (
      <PathDialog wish={wish} title={title} from={from} why={problem} stop={stop} answer={answer} />
    );
  }
  const given = browsing.given.value;
  return (
    <Modal
      title={title}
      from={`${from}, on the computer of the host`}
      class="file-dialog"
      onEnter={() => browsing.choose()}
      onLeave={() => answer(null)}
    >
      <Place browsing={browsing} />
      <FolderRows browsing={browsing} isMany={takesMany(wish)} />
      <p class="form-problem file-problem" role={problem ? "alert" : undefined}>
        {problem}
      </p>
      <footer class="modal-end">
        {stop}
        <span class="file-given dim" role="status">
          {given.length > 1 ? `${given.length} chosen` : given[0]?.name}
        </span>
        <button type="button" class="button" onClick={() => answer(null)}>
          Cancel
        </button>
        <button type="submit" class="run-button" disabled={given.length === 0}>
          Choose
        </button>
      </footer>
    </Modal>
  );
}

/** Where one is: the folders above, to go back to, and the path, to be typed. */
function Place({ browsing }: { readonly browsing: Browsing }) {
  const folder = browsing.folder.value;
  return (
    <div class="file-place">
      <nav class="file-steps" aria-label="Folders above">
        {folder &&
          stepsOf(folder.path).map(({ name, path }, i, all) => (
            <button
              key={path}
              type="button"
              class="file-step"
              aria-current={i === all.length - 1 ? "location" : undefined}
              onClick={() => void browsing.go(path, all[i + 1]?.path)}
            >
              {name}
            </button>
          ))}
      </nav>
      <input
        type="text"
        class="text"
        aria-label="Path"
        spellcheck={false}
        autocomplete="off"
        value={browsing.typed.value}
        onInput={(event) => {
          browsing.typed.value = event.currentTarget.value;
          browsing.problem.value = "";
        }}
        onKeyDown={(event) => {
          if (event.key !== "Enter") return;
          event.preventDefault();
          void browsing.take();
        }}
      />
    </div>
  );
}
