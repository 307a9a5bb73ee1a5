/** Has files or folders of the host's computer named by their paths, where its folders are not shown. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import type { ChosenFile, FileWish } from "../service.ts";
import { takesMany } from "./folder_view.ts";
import { Modal } from "./modal.tsx";
import { nameOf, pathsIn } from "./paths.ts";

type PathDialogProps = {
  readonly wish: FileWish;
  readonly title: string;
  /** No folders are shown. */
  readonly why: string;
  readonly from: string;
  readonly stop: ComponentChildren;
  readonly answer: (files: readonly ChosenFile[] | null) => void;
};

export function PathDialog({ wish, title, from, why, stop, answer }: PathDialogProps) {
  const isFolder = wish.type === "directory";
  const isMany = takesMany(wish);
  const text = useSignal(wish.root ?? "");
  const problem = useSignal("");
  const enter = () => {
    const paths = pathsIn(text.peek());
    const [, second] = paths;
    if (paths.length === 0) problem.value = "Needs a path.";
    else if (!isMany && second) problem.value = "Only one can be chosen.";
    else answer(paths.map((path) => ({ name: nameOf(path), path })));
  };
  return (
    <Modal title={title} from={from} onEnter={enter} onLeave={() => answer(null)}>
      {why && <p class="dim">{why}</p>}
      <label class="modal-field">
        <span>
          {isFolder
            ? "Its whole path"
            : isMany
              ? "Their whole paths, one a line"
              : "Its whole path"}{" "}
          on the computer of the host
        </span>
        <textarea
          class="text asking-folders"
          rows={isMany ? 4 : 2}
          spellcheck={false}
          placeholder={isFolder ? "/data/experiment" : "/data/experiment/image.tif"}
          aria-invalid={problem.value !== ""}
          data-first
          value={text.value}
          onInput={(event) => {
            text.value = event.currentTarget.value;
            problem.value = "";
          }}
          onKeyDown={(event) => {
            if (event.key !== "Enter" || (isMany && !event.ctrlKey && !event.metaKey)) return;
            event.preventDefault();
            enter();
          }}
        />
      </label>
      {problem.value && <p class="form-problem">{problem.value}</p>}
      <footer class="modal-end">
        {stop}
        <button type="button" class="button" onClick={() => answer(null)}>
          Cancel
        </button>
        <button type="submit" class="run-button">
          Choose
        </button>
      </footer>
    </Modal>
  );
}
