/** How plugins are added: as files, or by an address, an ImJoy URI or their source. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useEffect, useRef } from "preact/hooks";
import { IconButton } from "../icons.tsx";
import { isRepository } from "../imjoy_link.ts";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import type { PluginShelf } from "./plugin_shelf.ts";

type ShelfProps = { readonly shelf: PluginShelf };
type AddPluginProps = ShelfProps & { readonly plugins: PluginsParts | null };

export function AddPlugin({ shelf, plugins }: AddPluginProps) {
  const isOpen = useSignal(false);
  return (
    <>
      <IconButton
        icon="add"
        label="Add a plugin"
        pressed={isOpen.value}
        onClick={() => {
          isOpen.value = !isOpen.peek();
        }}
      />
      {isOpen.value && (
        <AddPanel
          shelf={shelf}
          plugins={plugins}
          onDone={() => {
            isOpen.value = false;
          }}
        />
      )}
    </>
  );
}

function AddPanel({ shelf, plugins, onDone }: AddPluginProps & { readonly onDone: () => void }) {
  const source = useSignal("");
  const isLoading = useSignal(false);
  const field = useRef<HTMLTextAreaElement>(null);
  useEffect(() => field.current?.focus(), []);
  const load = async () => {
    const text = source.peek().trim();
    if (text === "" || !plugins || isLoading.peek()) return;
    isLoading.value = true;
    // Source keeps its first line's indentation; an address has none.
    const isLoaded = isRepository(text)
      ? await plugins.browse(text)
      : await plugins.load(text.includes("\n") ? source.peek() : text);
    isLoading.value = false;
    if (isLoaded) onDone();
  };
  return (
    <form
      class="add-plugin"
      aria-label="Add a plugin"
      onSubmit={(event) => {
        event.preventDefault();
        void load();
      }}
      onKeyDown={(event) => {
        if (event.key === "Escape") onDone();
        const isSource = source.peek().includes("\n");
        if (event.key !== "Enter" || event.shiftKey || (isSource && !event.ctrlKey)) return;
        if (event.target instanceof HTMLButtonElement) return;
        event.preventDefault();
        void load();
      }}
    >
      <textarea
        ref={field}
        class="text add-source"
        aria-label="Address, ImJoy URI or source of a plugin"
        placeholder={
          "https://…/plugin.imjoy.html\nUSER/REPO:PLUGIN, or USER/REPO for a list\nor its source"
        }
        rows={3}
        spellcheck={false}
        value={source.value}
        onInput={(event) => {
          source.value = event.currentTarget.value;
        }}
      />
      <p class="add-buttons">
        <PluginFileButton
          shelf={shelf}
          onAdd={onDone}
          button={(choose) => (
            <button type="button" class="button" onClick={choose}>
              Choose a file …
            </button>
          )}
        />
        <button
          type="button"
          class="button"
          disabled={!plugins}
          onClick={() => {
            plugins?.write();
            onDone();
          }}
        >
          Write one …
        </button>
        <button
          type="submit"
          class="button add-load"
          disabled={source.value.trim() === "" || !plugins || isLoading.value}
        >
          {isLoading.value ? "Loading …" : "Load"}
        </button>
      </p>
    </form>
  );
}

type PluginFileButtonProps = ShelfProps & {
  readonly button: (choose: () => void) => ComponentChildren;
  readonly onAdd?: () => void;
};

/** For those who do not drag. */
export function PluginFileButton({ shelf, button, onAdd }: PluginFileButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      {button(() => input.current?.click())}
      <input
        ref={input}
        type="file"
        accept=".py,.pyi,.html"
        multiple
        hidden
        onChange={(event) => {
          void shelf.add([...(event.currentTarget.files ?? [])]);
          onAdd?.();
          // So that choosing the same file again, after a change to it, is a change.
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}
