/** Asks whether a plugin is to be removed, and says what that means. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Plugin } from "./host_service.ts";

type RemoveDialogProps = {
  readonly plugin: Plugin;
  readonly isLoaded: boolean;
  readonly onRemove: () => void;
  readonly onLeave: () => void;
};

export function RemoveDialog({ plugin, isLoaded, onRemove, onLeave }: RemoveDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const keep = useRef<HTMLButtonElement>(null);
  useLayoutEffect(() => {
    dialog.current?.showModal();
    keep.current?.focus();
  }, []);
  return (
    <dialog
      ref={dialog}
      class="asking"
      aria-labelledby="removing-title"
      aria-describedby="removing-about"
      onClose={onLeave}
    >
      <div class="asking-body">
        <h2 id="removing-title">Remove “{plugin.name}”?</h2>
        <div id="removing-about" class="removing-about">
          {consequences(plugin, isLoaded).map((sentence) => (
            <p key={sentence}>{sentence}</p>
          ))}
        </div>
        <p class="asking-end">
          <button ref={keep} type="button" class="button" onClick={onLeave}>
            Keep it
          </button>
          <button type="button" class="run-button remove-button" onClick={onRemove}>
            Remove
          </button>
        </p>
      </div>
    </dialog>
  );
}

/** What becomes of a plugin that is removed, in sentences. */
export function consequences(plugin: Plugin, isLoaded: boolean): readonly string[] {
  const { kept, origin, kind, source } = plugin;
  const file = kept
    ? origin
      ? `Its file is deleted. It can be added again from ${origin}.`
      : "Its file, which Opsin keeps, is deleted."
    : kind === "napari"
      ? "It is taken from the list."
      : `It is taken from the list. Its file ${source} stays as it is.`;
  return [
    ...(isLoaded ? ["It is loaded: that ends, with its windows."] : []),
    file,
    "What you have allowed it is forgotten. Results of its runs stay.",
  ];
}
