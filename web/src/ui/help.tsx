/** Which key does what. */
import { useLayoutEffect, useRef } from "preact/hooks";
import type { Commands } from "./commands.ts";
import { IconButton } from "./icons.tsx";
import { BINDINGS, GESTURES } from "./keymap.ts";

export function Help({ commands }: { readonly commands: Commands }) {
  const dialog = useRef<HTMLDialogElement>(null);
  const open = commands.helpOpen.value;
  useLayoutEffect(() => {
    if (open) dialog.current?.showModal();
    else dialog.current?.close();
  }, [open]);
  const close = () => {
    commands.helpOpen.value = false;
  };
  return (
    // biome-ignore lint/a11y/useKeyWithClickEvents: Escape closes it, as it does any dialog.
    <dialog
      ref={dialog}
      class="help"
      aria-labelledby="help-title"
      onClose={close}
      onClick={(event) => {
        if (event.target === dialog.current) close();
      }}
    >
      <div class="help-body">
        <header class="help-header">
          <h2 id="help-title">Keys</h2>
          <IconButton icon="close" label="Close" hint="Esc" onClick={close} />
        </header>
        <dl class="help-keys">
          {[...GESTURES, ...BINDINGS].map((entry) => (
            <div key={entry.description} class="help-row">
              <dt>
                {entry.written.map((key) => (
                  <kbd key={key}>{key}</kbd>
                ))}
              </dt>
              <dd>{entry.description}</dd>
            </div>
          ))}
        </dl>
      </div>
    </dialog>
  );
}
