/** The plugins and their operations, to choose one. */
import { useSignal } from "@preact/signals";
import type { ComponentChildren } from "preact";
import { useId, useRef } from "preact/hooks";
import { Icon, IconButton } from "../icons.tsx";
import type { Plugin, PluginOperation } from "./host_service.ts";
import { Permissions } from "./permissions.tsx";
import type { Permits } from "./permits.ts";
import type { PluginShelf } from "./plugin_shelf.ts";

/** With more operations than this, one looks for a name. */
const FEW = 6;

type ShelfProps = { readonly shelf: PluginShelf };
type PluginListProps = ShelfProps & { readonly permits: Permits };

export function PluginList({ shelf, permits }: PluginListProps) {
  const query = useSignal("");
  const plugins = shelf.plugins.value;
  if (plugins === null) {
    const problem = shelf.problem.value;
    return <div class="dock-body">{problem && <p class="plugin-error">{problem}</p>}</div>;
  }
  if (plugins.length === 0) return <NoPlugins shelf={shelf} />;
  const isLong = plugins.reduce((sum, { operations }) => sum + operations.length, 0) > FEW;
  const found = isLong ? matching(plugins, query.value) : plugins;
  return (
    <div class="dock-body">
      {isLong && (
        <input
          type="search"
          class="search"
          aria-label="Search plugins"
          placeholder="Search"
          value={query.value}
          onInput={(event) => {
            query.value = event.currentTarget.value;
          }}
        />
      )}
      {found.length === 0 && <p class="empty">Nothing is called that.</p>}
      <ul class="plugin-list" aria-label="Plugins">
        {found.map((plugin) => (
          <PluginItem key={plugin.id} plugin={plugin} shelf={shelf} permits={permits} />
        ))}
      </ul>
    </div>
  );
}

function PluginItem({ plugin, shelf, permits }: PluginListProps & { readonly plugin: Plugin }) {
  return (
    <li class="plugin" aria-label={plugin.name}>
      <header class="plugin-header">
        <h3 class="plugin-name" title={plugin.source}>
          {plugin.name} <span class="dim">{plugin.version}</span>
          {plugin.kind === "napari" && <span class="plugin-kind">napari</span>}
        </h3>
        <IconButton
          icon="remove"
          label={`Remove the plugin ${plugin.name}`}
          onClick={() => void shelf.remove(plugin)}
        />
      </header>
      {plugin.description && <p class="plugin-text">{plugin.description}</p>}
      {plugin.error !== null && (
        <p class="plugin-error" role="alert">
          {plugin.error}
        </p>
      )}
      {plugin.asks.length > 0 && <Permissions plugin={plugin} permits={permits} />}
      {plugin.operations.map((operation) => (
        <OperationButton
          key={operation.name}
          operation={operation}
          onChoose={() => shelf.choose(plugin, operation)}
        />
      ))}
    </li>
  );
}

type OperationButtonProps = {
  readonly operation: PluginOperation;
  readonly onChoose: () => void;
};

function OperationButton({ operation, onChoose }: OperationButtonProps) {
  const id = useId();
  if (operation.refused !== "") {
    return (
      <div class="operation operation-refused" role="note" aria-label={operation.title}>
        <span class="operation-title">{operation.title}</span>
        <span class="operation-text">{operation.refused}</span>
      </div>
    );
  }
  return (
    <button
      type="button"
      class="operation"
      aria-label={operation.title}
      aria-describedby={id}
      onClick={onChoose}
    >
      <span class="operation-title">{operation.title}</span>
      <Icon name="next" />
      <span class="operation-text" id={id}>
        {operation.description}
      </span>
    </button>
  );
}

function NoPlugins({ shelf }: ShelfProps) {
  return (
    <div class="dock-body">
      <div class="no-plugins">
        <p>No plugins yet.</p>
        <p class="dim">
          Drop a Python file (.py) onto this window, or name one when you open an image:
        </p>
        <code>opsin view IMAGE --plugin FILE</code>
        <PluginFileButton
          shelf={shelf}
          button={(choose) => (
            <button type="button" class="button" onClick={choose}>
              Choose a file …
            </button>
          )}
        />
      </div>
    </div>
  );
}

export function AddPlugin({ shelf }: ShelfProps) {
  return (
    <PluginFileButton
      shelf={shelf}
      button={(choose) => <IconButton icon="add" label="Add a plugin file" onClick={choose} />}
    />
  );
}

type PluginFileButtonProps = ShelfProps & {
  readonly button: (choose: () => void) => ComponentChildren;
};

/** For those who do not drag. */
function PluginFileButton({ shelf, button }: PluginFileButtonProps) {
  const input = useRef<HTMLInputElement>(null);
  return (
    <>
      {button(() => input.current?.click())}
      <input
        ref={input}
        type="file"
        accept=".py"
        multiple
        hidden
        onChange={(event) => {
          void shelf.add([...(event.currentTarget.files ?? [])]);
          // So that choosing the same file again, after a change to it, is a change.
          event.currentTarget.value = "";
        }}
      />
    </>
  );
}

/** Plugins whose name has the words, and the operations of others that have them. */
export function matching(plugins: readonly Plugin[], query: string): readonly Plugin[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (...texts: string[]) => {
    const text = texts.join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return plugins.flatMap((plugin) => {
    if (has(plugin.name)) return [plugin];
    const operations = plugin.operations.filter(({ title, name, description }) =>
      has(plugin.name, title, name, description),
    );
    return operations.length > 0 ? [{ ...plugin, operations }] : [];
  });
}
