/** The palettes of the app: of all commands, and of what a layer, table or file can be run with. */
import type { ReadonlySignal } from "@preact/signals";
import type { Commands } from "../../commands.ts";
import type { Desk } from "../../desk.ts";
import type { InputChoice } from "../../host/input_choices.ts";
import type { PluginShelf } from "../../host/plugin_shelf.ts";
import type { PluginsParts } from "../plugins_parts.ts";
import { entriesFor, entriesForFile, entriesOf } from "./entries.ts";
import { Palette } from "./palette.tsx";

type PalettesProps = {
  readonly desk: Desk;
  readonly commands: Commands;
  readonly shelf: PluginShelf;
  readonly plugins: PluginsParts;
  /** That jobs gave. */
  readonly tables: ReadonlySignal<readonly InputChoice[]>;
  /** Makes a layer of a file. */
  readonly onShow: (file: File) => void;
};

export function Palettes({ desk, commands, shelf, plugins, tables, onShow }: PalettesProps) {
  const { paletteOpen, runWith } = commands;
  const chosen = runWith.value;
  const close = () => {
    runWith.value = null;
  };
  if (chosen instanceof File) {
    return (
      <Palette
        entries={() => entriesForFile(chosen, commands, shelf, () => onShow(chosen))}
        label={`Open ${chosen.name}`}
        question={`Open ${chosen.name} with …`}
        nothing={`No plugin takes ${chosen.name}.`}
        onClose={close}
      />
    );
  }
  if (chosen !== null) {
    const known = [...desk.layers.value, ...tables.value];
    const name = known.find(({ id }) => id === chosen)?.name ?? "it";
    return (
      <Palette
        entries={() => entriesFor(chosen, commands, shelf, desk.layers.value, tables.value)}
        label={`Run with ${name}`}
        question={`Run with ${name} …`}
        nothing={`No plugin takes ${name}.`}
        onClose={close}
      />
    );
  }
  if (!paletteOpen.value) return null;
  return (
    <Palette
      entries={() => entriesOf(commands, shelf, plugins)}
      label="Commands"
      question="What would you like to do?"
      nothing="There is nothing to do."
      onClose={() => {
        paletteOpen.value = false;
      }}
    />
  );
}
