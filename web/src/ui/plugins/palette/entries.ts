/** What the command palette offers: commands of the app, operations and plugins. */

import type { Layer } from "../../../viewer/types.ts";
import type { Commands } from "../../commands.ts";
import { fileInputFor } from "../../host/file_inputs.ts";
import type { Plugin, PluginOperation } from "../../host/host_service.ts";
import { isImjoy } from "../../host/imjoy_plugin.ts";
import { type InputChoice, inputFor } from "../../host/input_choices.ts";
import type { PluginShelf } from "../../host/plugin_shelf.ts";
import { BINDINGS } from "../../keymap.ts";
import type { PluginsParts } from "../plugins_parts.ts";

export type Entry = {
  readonly id: string;
  readonly text: string;
  /** Where it belongs: "Command", the name of a plugin. */
  readonly group: string;
  readonly keys: readonly string[];
  readonly run: () => void;
};

const NOT_OFFERED: readonly string[] = ["close", "palette"];

export function entriesOf(
  commands: Commands,
  shelf: PluginShelf,
  plugins: PluginsParts,
): readonly Entry[] {
  const write: Entry = {
    id: "write",
    text: "Write a new plugin",
    group: "Plugins",
    keys: [],
    run: () => plugins.write(),
  };
  return [...operations(commands, shelf), ...loaded(plugins), write, ...ofApp(commands)];
}

/** What the chosen one can be run with. */
export function entriesFor(
  chosen: number | string,
  commands: Commands,
  shelf: PluginShelf,
  layers: readonly Layer[],
  tables: readonly InputChoice[],
): readonly Entry[] {
  return (shelf.plugins.value ?? []).flatMap((plugin) =>
    plugin.operations.flatMap((operation) => {
      const input = inputFor(operation, chosen, layers, tables);
      if (!input) return [];
      const run = () => {
        commands.pluginsOpen.value = true;
        shelf.chooseWith(plugin, operation, input.name, chosen);
      };
      return [{ ...named(plugin, operation), run }];
    }),
  );
}

/** What a file can be opened with; `show` makes a layer of it. */
export function entriesForFile(
  file: File,
  commands: Commands,
  shelf: PluginShelf,
  show: () => void,
): readonly Entry[] {
  const taken = (shelf.plugins.value ?? []).flatMap((plugin) =>
    plugin.operations.flatMap((operation) => {
      const input = fileInputFor(operation, file);
      if (!input) return [];
      const run = () => {
        commands.pluginsOpen.value = true;
        shelf.chooseWithFile(plugin, operation, input.name, file);
      };
      return [{ ...named(plugin, operation), run }];
    }),
  );
  return [
    ...taken,
    { id: "show", text: "Show it as a layer", group: "Opsin", keys: [], run: show },
  ];
}

function named(plugin: Plugin, operation: PluginOperation) {
  return {
    id: `operation ${plugin.id} ${operation.name}`,
    text: operation.title,
    group: isImjoy(plugin) ? "ImJoy plugin" : plugin.name,
    keys: [],
  };
}

function ofApp(commands: Commands): readonly Entry[] {
  return BINDINGS.filter(({ command }) => !NOT_OFFERED.includes(command)).map(
    ({ command, description, written }) => ({
      id: `command ${command}`,
      text: description,
      group: "Command",
      keys: written,
      run: () => commands.run(command),
    }),
  );
}

function operations(commands: Commands, shelf: PluginShelf): readonly Entry[] {
  return (shelf.plugins.value ?? []).flatMap((plugin) =>
    plugin.operations
      .filter(({ refused }) => refused === "")
      .map((operation) => ({
        ...named(plugin, operation),
        run: () => {
          commands.pluginsOpen.value = true;
          shelf.choose(plugin, operation);
        },
      })),
  );
}

function loaded(plugins: PluginsParts): readonly Entry[] {
  return plugins.loaded.value.flatMap(({ id, name }) => [
    {
      id: `stop ${id}`,
      text: `Stop ${name}`,
      group: "Loaded plugin",
      keys: [],
      run: () => void plugins.stop({ id, name }),
    },
    {
      id: `log ${id}`,
      text: `Log of ${name}`,
      group: "Loaded plugin",
      keys: [],
      run: () => plugins.showLog({ id, name }),
    },
  ]);
}
