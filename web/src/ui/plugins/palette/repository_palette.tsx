/** The plugins of a repository, of which one is added. */
import type { Signal } from "@preact/signals";
import type { PluginsParts } from "../plugins_parts.ts";
import type { Offered } from "../service.ts";
import { Palette } from "./palette.tsx";

export type Offers = { readonly repository: string; readonly plugins: readonly Offered[] };

/** Of a description. */
const LONGEST = 70;

type RepositoryPaletteProps = {
  readonly offers: Signal<Offers | null>;
  readonly plugins: Pick<PluginsParts, "load">;
};

export function RepositoryPalette({ offers, plugins }: RepositoryPaletteProps) {
  const offered = offers.value;
  if (!offered) return null;
  const entries = offered.plugins.map(({ name, description, uri }) => ({
    id: uri,
    text: name,
    group: description.length > LONGEST ? `${description.slice(0, LONGEST - 1)}…` : description,
    keys: [],
    run: () => void plugins.load(uri),
  }));
  return (
    <Palette
      entries={() => entries}
      label={`Plugins of ${offered.repository}`}
      question={`Add a plugin of ${offered.repository} …`}
      nothing={`${offered.repository} has no plugins.`}
      onClose={() => {
        offers.value = null;
      }}
    />
  );
}
