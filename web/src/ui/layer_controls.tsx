/** How the selected layer is drawn. */
import type { Blending, LayerKind } from "../viewer/types.ts";
import { ColormapMenu } from "./colormap_menu.tsx";
import { ContrastControl } from "./contrast_control.tsx";
import type { Desk } from "./desk.ts";
import type { HistogramSource } from "./histogram_source.ts";
import { LabelControls } from "./label_controls.tsx";
import { PointsControls } from "./points_controls.tsx";
import { Slider } from "./slider.tsx";

const BLENDINGS: readonly { readonly value: Blending; readonly text: string }[] = [
  { value: "translucent", text: "Translucent" },
  { value: "additive", text: "Additive" },
  { value: "minimum", text: "Minimum" },
  { value: "opaque", text: "Opaque" },
];

export const KIND_TEXT: Readonly<Record<LayerKind, string>> = {
  image: "image",
  labels: "labels",
  rgb: "RGB image",
  points: "points",
};

/** Gamma by its logarithm, so that 0.5 and 2 lie equally far from 1: from 0.2 to 5, in whole steps. */
const GAMMA_SPAN = 2.32;

type LayerControlsProps = { readonly desk: Desk; readonly histograms: HistogramSource };

export function LayerControls({ desk, histograms }: LayerControlsProps) {
  const layer = desk.selectedLayer.value;
  if (!layer) return null;
  const settings = desk.settingsOf(layer);
  const change = (part: Partial<typeof settings>) => desk.changeLayer(layer.id, part);
  const toned = layer.kind === "image" || layer.kind === "rgb";
  const blendings = layer.kind === "points" ? BLENDINGS.slice(0, 2) : BLENDINGS;
  const setGamma = (power: number) => {
    // The middle holds: exactly 1 is what most want back.
    const gamma = Math.abs(power) < 0.04 ? 1 : 2 ** power;
    change({ gamma: Number(gamma.toFixed(3)) });
  };
  return (
    <section class="controls" aria-label="Layer controls">
      <header class="controls-header">
        <h2 class="controls-title" title={layer.name}>
          {layer.name}
        </h2>
        <span class="controls-kind">
          {layer.points
            ? `${layer.points.count.toLocaleString("en")} points`
            : `${KIND_TEXT[layer.kind]} · ${layer.data_dtype}`}
        </span>
      </header>
      <Slider
        label="Opacity"
        value={settings.opacity}
        low={0}
        high={1}
        step={0.01}
        text={`${Math.round(settings.opacity * 100)} %`}
        onInput={(opacity) => change({ opacity })}
        onReset={() => desk.resetLayer(layer.id, ["opacity"])}
      />
      {toned && (
        <>
          <ContrastControl
            key={layer.id}
            desk={desk}
            histograms={histograms}
            layer={layer}
            settings={settings}
          />
          <Slider
            label="Gamma"
            value={Math.log2(settings.gamma)}
            low={-GAMMA_SPAN}
            high={GAMMA_SPAN}
            step={0.01}
            text={settings.gamma.toFixed(2)}
            onInput={setGamma}
            onReset={() => desk.resetLayer(layer.id, ["gamma"])}
          />
        </>
      )}
      {layer.kind === "labels" && <LabelControls desk={desk} layer={layer} settings={settings} />}
      {layer.kind === "points" && <PointsControls desk={desk} layer={layer} settings={settings} />}
      {layer.kind === "image" && (
        <ColormapMenu
          value={settings.colormap}
          colormaps={desk.colormaps}
          onChange={(colormap) => change({ colormap })}
        />
      )}
      <label class="field">
        <span class="field-label">Blending</span>
        <select
          class="select"
          aria-label="Blending"
          value={settings.blending}
          onChange={(event) => change({ blending: event.currentTarget.value as Blending })}
        >
          {blendings.map(({ value, text }) => (
            <option key={value} value={value}>
              {text}
            </option>
          ))}
        </select>
      </label>
    </section>
  );
}
