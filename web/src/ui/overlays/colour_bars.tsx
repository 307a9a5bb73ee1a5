/** What the colours of the layers that are shown mean. */
import type { Layer, LayerSettings } from "../../viewer/types.ts";
import { colourRamp } from "../colour_ramp.ts";
import type { Desk } from "../desk.ts";
import { trimmed } from "../numbers.ts";

const MOST = 6;

export function ColourBars({ desk }: { readonly desk: Desk }) {
  const shown = desk.layers.value
    .filter((layer) => hasBar(layer, desk.settingsOf(layer)) && desk.settingsOf(layer).visible)
    .slice(0, MOST);
  if (shown.length === 0) return null;
  return (
    <ul class="colour-bars" aria-label="Colour bars">
      {shown.map((layer) => (
        <ColourBar key={layer.id} layer={layer} desk={desk} />
      ))}
    </ul>
  );
}

/** Images, and points that are coloured by a number. */
function hasBar(layer: Layer, { colourBy }: LayerSettings): boolean {
  const property = layer.points?.properties.find(({ name }) => name === colourBy);
  return layer.kind === "image" || (property !== undefined && property.categories === 0);
}

function ColourBar({ layer, desk }: { readonly layer: Layer; readonly desk: Desk }) {
  const { contrast, colormap, gamma, colourBy } = desk.settingsOf(layer);
  const [low, high] = contrast;
  return (
    <li class="colour-bar">
      <span class="colour-bar-name">{colourBy ? `${colourBy} · ${layer.name}` : layer.name}</span>
      <span class="colour-bar-ramp" style={{ background: colourRamp(colormap, desk.colormaps) }} />
      <span class="colour-bar-ends">
        <span>{trimmed(low, 4)}</span>
        {gamma === 1 ? null : <span class="dim">γ {trimmed(gamma, 2)}</span>}
        <span>{trimmed(high, 4)}</span>
      </span>
    </li>
  );
}
