/** What can be done with a plugin as a whole: fetch it anew, change it, remove it. */
import { useSignal } from "@preact/signals";
import { IconButton } from "../icons.tsx";
import type { PluginsParts } from "../plugins/plugins_parts.ts";
import type { Loaded } from "../plugins/service.ts";
import type { Plugin } from "./host_service.ts";
import type { PluginShelf } from "./plugin_shelf.ts";
import { RemoveDialog } from "./remove_dialog.tsx";

type PluginActionsProps = {
  readonly plugin: Plugin;
  readonly shelf: PluginShelf;
  /** Null until it was loaded. */
  readonly plugins: PluginsParts | null;
  /** What runs of it. */
  readonly loaded: readonly Loaded[];
};

export function PluginActions({ plugin, shelf, plugins, loaded }: PluginActionsProps) {
  const isAsked = useSignal(false);
  const { id, name, origin, kept } = plugin;
  const isUpdating = plugins?.updating.value.has(id) ?? false;
  const remove = async () => {
    isAsked.value = false;
    await Promise.all(loaded.map((one) => plugins?.stop(one)));
    await shelf.remove(plugin);
  };
  return (
    <span class={isUpdating ? "plugin-actions plugin-busy" : "plugin-actions"}>
      {isUpdating && <span class="spinner" role="status" aria-label={`Updating ${name}`} />}
      {plugins && origin && !isUpdating && (
        <IconButton
          icon="update"
          label={`Update ${name}`}
          hint={`from ${origin}`}
          onClick={() => void plugins.update(plugin)}
        />
      )}
      {plugins && kept && (
        <IconButton icon="edit" label={`Edit ${name}`} onClick={() => void plugins.edit(plugin)} />
      )}
      <IconButton
        icon="remove"
        label={`Remove the plugin ${name}`}
        onClick={() => {
          isAsked.value = true;
        }}
      />
      {isAsked.value && (
        <RemoveDialog
          plugin={plugin}
          isLoaded={loaded.length > 0}
          onRemove={() => void remove()}
          onLeave={() => {
            isAsked.value = false;
          }}
        />
      )}
    </span>
  );
}
