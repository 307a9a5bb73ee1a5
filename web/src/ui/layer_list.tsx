/** The layers, top one first: show, hide, select. */
import type { Layer } from "../viewer/types.ts";
import { layerSwatch } from "./colour_ramp.ts";
import type { Desk } from "./desk.ts";
import { Icon, IconButton } from "./icons.tsx";
import { KIND_TEXT } from "./layer_controls.tsx";

type LayerListProps = {
  readonly desk: Desk;
  readonly onRemove: ((layer: Layer) => void) | null;
  /** Shows a layer in napari; null while nobody could. */
  readonly onSend: ((layer: Layer) => void) | null;
  /** Looks for what a layer can be run with; null while nothing can be run. */
  readonly onRun: ((layer: Layer) => void) | null;
};

export function LayerList({ desk, onRemove, onSend, onRun }: LayerListProps) {
  const layers = desk.layers.value;
  const press = (event: KeyboardEvent & { currentTarget: HTMLElement }) => {
    const selected = desk.selectedLayer.peek();
    if (event.key === "Delete" && selected) onRemove?.(selected);
    const at = layers.findIndex((layer) => layer.id === desk.selected.peek());
    const to = { ArrowUp: at - 1, ArrowDown: at + 1, Home: 0, End: layers.length - 1 }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    const next = layers[to];
    if (!next) return;
    desk.selectLayer(next.id);
    const row = event.currentTarget.querySelector<HTMLElement>(`[data-layer="${next.id}"]`);
    row?.focus();
  };
  return (
    <section class="layers" aria-labelledby="layers-heading">
      <h2 class="panel-heading" id="layers-heading">
        Layers
        <span class="count">{layers.length}</span>
      </h2>
      {layers.length === 0 ? (
        <p class="empty">{desk.opening.value ? "Opening …" : "Nothing is open."}</p>
      ) : (
        <ul class="layer-list" aria-label="Layers" onKeyDown={press}>
          {layers.map((layer) => (
            <LayerRow
              key={layer.id}
              desk={desk}
              layer={layer}
              onRemove={onRemove}
              onSend={onSend}
              onRun={onRun}
            />
          ))}
        </ul>
      )}
    </section>
  );
}

type LayerRowProps = LayerListProps & { readonly layer: Layer };

function LayerRow({ desk, layer, onRemove, onSend, onRun }: LayerRowProps) {
  const settings = desk.settingsOf(layer);
  const selected = desk.selected.value === layer.id;
  const classes = ["layer", selected && "layer-selected", !settings.visible && "layer-hidden"];
  return (
    <li class={classes.filter(Boolean).join(" ")}>
      <button
        type="button"
        class="icon-button"
        aria-label={`Show ${layer.name}`}
        aria-pressed={settings.visible}
        title={`${settings.visible ? "Hide" : "Show"} (V); with Alt: this layer only`}
        onClick={(event) => {
          if (event.altKey) desk.soloLayer(layer.id);
          else desk.toggleLayer(layer.id);
        }}
      >
        <Icon name={settings.visible ? "eye" : "eyeOff"} />
      </button>
      <button
        type="button"
        class="layer-name"
        data-layer={layer.id}
        aria-label={`Select ${layer.name}`}
        aria-current={selected}
        title={layer.name}
        onClick={() => desk.selectLayer(layer.id)}
      >
        <span
          class="swatch"
          style={{ background: layerSwatch(layer, settings, desk.colormaps) }}
          aria-hidden="true"
        />
        <span class="layer-text">{layer.name}</span>
        <span class="layer-kind" title={KIND_TEXT[layer.kind]}>
          <Icon name={layer.kind} />
        </span>
      </button>
      {selected && onRun !== null && (
        <IconButton
          icon="play"
          label={`Run something with ${layer.name}`}
          hint="Shift+R"
          onClick={() => onRun(layer)}
        />
      )}
      {selected && onSend !== null && (
        <IconButton
          icon="send"
          label={`Send ${layer.name} to napari`}
          onClick={() => onSend(layer)}
        />
      )}
      <IconButton
        icon="close"
        label={`Remove ${layer.name}`}
        hint="Del"
        disabled={onRemove === null}
        onClick={() => onRemove?.(layer)}
      />
    </li>
  );
}
