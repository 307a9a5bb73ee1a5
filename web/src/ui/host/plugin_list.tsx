/** The plugins and their operations, to choose one. */
import { useId } from "preact/hooks";
import { Icon } from "../icons.tsx";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import { PluginFileButton } from "./add_plugin.tsx";
import type { Plugin, PluginOperation } from "./host_service.ts";
import { isImjoy } from "./imjoy_plugin.ts";
import { LoadedLine } from "./loaded_line.tsx";
import { Permissions } from "./permissions.tsx";
import type { Permits } from "./permits.ts";
import { PluginActions } from "./plugin_actions.tsx";
import type { PluginShelf } from "./plugin_shelf.ts";

/** With more operations than this, one looks for a name. */
const FEW = 6;

type ShelfProps = { readonly shelf: PluginShelf };
type PluginListProps = ShelfProps & {
  readonly permits: Permits;
  /** Null until it was loaded. */
  readonly plugins: PluginsParts | null;
};

export function PluginList({ shelf, permits, plugins: running }: PluginListProps) {
  const { query } = shelf;
  const plugins = shelf.plugins.value;
  if (plugins === null) {
    const problem = shelf.problem.value;
    return <div class="dock-body">{problem && <p class="plugin-error">{problem}</p>}</div>;
  }
  if (plugins.length === 0) return <NoPlugins shelf={shelf} />;
  const isLong = plugins.reduce((sum, { operations }) => sum + operations.length, 0) > FEW;
  const isSearched = isLong || query.value !== "";
  const found = isSearched ? matching(plugins, query.value) : plugins;
  return (
    <div class="dock-body">
      {isSearched && (
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
      {found.length === 0 && <p class="empty">No plugin is called that, or says so of itself.</p>}
      <ul class="plugin-list" aria-label="Plugins">
        {found.map((plugin) => (
          <PluginItem
            key={plugin.id}
            plugin={plugin}
            shelf={shelf}
            permits={permits}
            plugins={running}
          />
        ))}
      </ul>
    </div>
  );
}

type PluginItemProps = PluginListProps & { readonly plugin: Plugin };

function PluginItem({ plugin, shelf, permits, plugins }: PluginItemProps) {
  const loaded = plugins?.loaded.value.filter((one) => one.plugin === plugin.id) ?? [];
  return (
    <li class="plugin" aria-label={plugin.name}>
      <header class="plugin-header">
        <h3 class="plugin-name" title={plugin.name}>
          {plugin.name} <span class="dim">{plugin.version}</span>
        </h3>
        <PluginActions plugin={plugin} shelf={shelf} plugins={plugins} loaded={loaded} />
      </header>
      <Source plugin={plugin} />
      <Badges plugin={plugin} isolation={loaded.map((one) => one.isolation ?? "")} />
      {plugin.description && <p class="plugin-text">{plugin.description}</p>}
      {plugin.error !== null && (
        <p class="plugin-error" role="alert">
          {plugin.error}
        </p>
      )}
      {plugin.asks.length > 0 && <Permissions plugin={plugin} permits={permits} />}
      {plugins && loaded.map((one) => <LoadedLine key={one.id} loaded={one} plugins={plugins} />)}
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

/** Where it came from, else where it lies; the end of that says most. */
function Source({ plugin: { origin, source } }: { readonly plugin: Plugin }) {
  const place = origin || source;
  return (
    <p class="plugin-source" title={origin ? `From ${origin}, kept as ${source}` : source}>
      <span class="visually-hidden">{origin ? "From " : "File "}</span>
      <bdi>{place}</bdi>
    </p>
  );
}

type BadgesProps = { readonly plugin: Plugin; readonly isolation: readonly string[] };

/** What kind of plugin it is, and what one should know before one runs it. */
function Badges({ plugin, isolation }: BadgesProps) {
  const badges = [
    ...(plugin.kind === "napari" ? ["napari"] : []),
    ...(isImjoy(plugin) ? [`ImJoy ${plugin.kind}`] : []),
    ...(plugin.labels ?? []),
    ...(plugin.verified ? ["verified"] : []),
  ];
  const isFree = isolation.includes("not isolated");
  if (badges.length === 0 && !isFree) return null;
  return (
    <p class="plugin-badges">
      {badges.map((badge) => (
        <span key={badge} class="plugin-kind">
          {badge}
        </span>
      ))}
      {isFree && (
        <span class="plugin-kind plugin-warning" title="It can do all that the host can do.">
          not isolated
        </span>
      )}
    </p>
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
          Drop a Python file (.py) or an ImJoy file (.imjoy.html) onto this window, or name one when
          you open an image:
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

/** Plugins of which the words tell, and the operations of others that have them. */
export function matching(plugins: readonly Plugin[], query: string): readonly Plugin[] {
  const words = query.toLowerCase().split(/\s+/).filter(Boolean);
  const has = (...texts: string[]) => {
    const text = texts.join(" ").toLowerCase();
    return words.every((word) => text.includes(word));
  };
  return plugins.flatMap((plugin) => {
    const { name, kind, description, labels = [], origin = "" } = plugin;
    const family = isImjoy(plugin) ? "ImJoy" : "";
    if (has(name, kind, family, description, origin, ...labels)) return [plugin];
    const operations = plugin.operations.filter(({ title, name, description }) =>
      has(plugin.name, title, name, description),
    );
    return operations.length > 0 ? [{ ...plugin, operations }] : [];
  });
}
