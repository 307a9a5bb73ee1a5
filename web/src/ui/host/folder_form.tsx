/** Where the images are that the steps are repeated on, and where the results go. */
import { useSignal } from "@preact/signals";
import type { RefObject } from "preact";
import { useEffect, useRef } from "preact/hooks";
import type { Jobs } from "./jobs.ts";

type FolderFormProps = { readonly jobs: Jobs; readonly onClose: () => void };

export function FolderForm({ jobs, onClose }: FolderFormProps) {
  const folder = useSignal("");
  const out = useSignal("");
  const first = useRef<HTMLInputElement>(null);
  useEffect(() => first.current?.focus(), []);
  const proposed = () => (folder.value.trim() === "" ? "" : `${trimmed(folder.value)} results`);
  const run = async () => {
    if (folder.peek().trim() === "") first.current?.focus();
    else if (await jobs.runOnFolder(trimmed(folder.peek()), trimmed(out.peek()) || proposed()))
      onClose();
  };
  return (
    <form
      class="folder-form"
      aria-label="Run on folder"
      onSubmit={(event) => {
        event.preventDefault();
        void run();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onClose();
      }}
    >
      <PathField label="Images in" field={folder} box={first} placeholder="/data/plate 7" />
      <PathField label="Results to" field={out} placeholder={proposed() || "beside the folder"} />
      <p class="folder-form-end">
        <button type="button" class="button" onClick={onClose}>
          Close
        </button>
        <button type="submit" class="button" disabled={!jobs.isConnected.value}>
          Run {stepsText(jobs.steps.value.length)}
        </button>
      </p>
    </form>
  );
}

type PathFieldProps = {
  readonly label: string;
  readonly field: { value: string };
  readonly placeholder: string;
  readonly box?: RefObject<HTMLInputElement | null>;
};

function PathField({ label, field, placeholder, box }: PathFieldProps) {
  return (
    <label class="form-line">
      <span class="form-label">{label}</span>
      <input
        {...(box ? { ref: box } : {})}
        class="path"
        type="text"
        spellcheck={false}
        value={field.value}
        placeholder={placeholder}
        onInput={({ currentTarget }) => {
          field.value = currentTarget.value;
        }}
      />
    </label>
  );
}

function stepsText(count: number): string {
  return count === 1 ? "the step" : `${count} steps`;
}

/** Without spaces around it and a slash at its end. */
function trimmed(path: string): string {
  const text = path.trim();
  return text.length > 1 ? text.replace(/[\\/]+$/, "") : text;
}
