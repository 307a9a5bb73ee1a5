/** Windows of plugins that are dialogs: over all of the page, until they are closed. */
import { useLayoutEffect, useRef } from "preact/hooks";
import { IconButton } from "../../icons.tsx";
import { clamp } from "../../numbers.ts";
import { UNIT } from "../windows/opening.ts";
import type { OpenWindow, PluginWindows } from "../windows/plugin_windows.ts";

export function WindowDialogs({ windows }: { readonly windows: PluginWindows }) {
  const dialogs = windows.open.value.filter(({ spec }) => spec.isDialog);
  return (
    <>
      {dialogs.map((window) => (
        <WindowDialog
          key={window.key}
          window={window}
          onClose={() => void windows.close(window.key)}
        />
      ))}
    </>
  );
}

type WindowDialogProps = { readonly window: OpenWindow; readonly onClose: () => void };

function WindowDialog({ window: { spec, element, isHidden }, onClose }: WindowDialogProps) {
  const dialog = useRef<HTMLDialogElement>(null);
  const body = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    body.current?.append(element);
  }, [element]);
  useLayoutEffect(() => {
    if (isHidden) dialog.current?.close();
    else dialog.current?.showModal();
  }, [isHidden]);
  const width = clamp((spec.w ?? 20) * UNIT, 240, innerWidth - 32);
  const height = clamp((spec.h ?? 12) * UNIT, 160, innerHeight - 64);
  return (
    <dialog
      ref={dialog}
      class="modal window-dialog"
      aria-label={spec.title}
      style={
        spec.fullscreen
          ? { width: "100vw", height: "100vh", maxWidth: "none", maxHeight: "none" }
          : { width: `${width}px`, height: `${height}px` }
      }
      onCancel={(event) => {
        event.preventDefault();
        onClose();
      }}
    >
      <header class="window-dialog-header">
        <h2>{spec.title}</h2>
        <IconButton icon="close" label={`Close ${spec.title}`} hint="Esc" onClick={onClose} />
      </header>
      <div ref={body} class="window-dialog-body" />
    </dialog>
  );
}
