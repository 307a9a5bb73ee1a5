/** The whole window as a place to drop files onto: images, points and plugins. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { Icon } from "../icons.tsx";

export function DropTarget({ onFiles }: { readonly onFiles: (files: readonly File[]) => void }) {
  const isOver = useSignal(false);
  useEffect(() => {
    const over = (event: DragEvent) => {
      if (!event.dataTransfer?.types.includes("Files")) return;
      // Else the browser leaves the page for the file.
      event.preventDefault();
      event.dataTransfer.dropEffect = "copy";
      isOver.value = true;
    };
    const leave = (event: DragEvent) => {
      // It goes from element to element, and out of the window only where it comes to none.
      if (event.relatedTarget === null) isOver.value = false;
    };
    const drop = (event: DragEvent) => {
      isOver.value = false;
      if (!event.dataTransfer?.types.includes("Files")) return;
      event.preventDefault();
      onFiles([...event.dataTransfer.files]);
    };
    const control = new AbortController();
    const { signal } = control;
    addEventListener("dragenter", over, { signal });
    addEventListener("dragover", over, { signal });
    addEventListener("dragleave", leave, { signal });
    addEventListener("drop", drop, { signal });
    return () => control.abort();
  }, [isOver, onFiles]);
  if (!isOver.value) return null;
  return (
    <div class="drop" role="status">
      <div class="drop-card">
        <Icon name="add" />
        <p>Drop to open</p>
        <p class="dim">an image, points or a table; a plugin (.py, .imjoy.html)</p>
      </div>
    </div>
  );
}
