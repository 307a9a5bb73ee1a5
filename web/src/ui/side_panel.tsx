/** The panel beside the canvas: controls of the selected layer, the list of layers; its width can be dragged. */
import { useSignal } from "@preact/signals";
import type { Desk } from "./desk.ts";
import type { HistogramSource } from "./histogram_source.ts";
import { LayerControls } from "./layer_controls.tsx";
import { LayerList } from "./layer_list.tsx";
import { clamp } from "./numbers.ts";

const NARROWEST = 220;
const WIDEST = 480;
const KEY_STEP = 16;

type SidePanelProps = { readonly desk: Desk; readonly histograms: HistogramSource };

export function SidePanel({ desk, histograms }: SidePanelProps) {
  const width = useSignal(innerWidth < 960 ? 248 : 296);
  const resize = (to: number) => {
    width.value = clamp(to, NARROWEST, Math.min(WIDEST, innerWidth / 2));
  };
  const press = (event: KeyboardEvent) => {
    const steps = { ArrowLeft: -1, ArrowRight: 1 }[event.key];
    if (steps === undefined) return;
    event.preventDefault();
    resize(width.value + steps * KEY_STEP);
  };
  return (
    <div class="panel" style={{ width: `${width.value}px` }}>
      <LayerControls desk={desk} histograms={histograms} />
      <LayerList desk={desk} />
      {/* biome-ignore lint/a11y/useSemanticElements: a separator that moves is no <hr>. */}
      <div
        class="panel-edge"
        role="separator"
        aria-orientation="vertical"
        aria-label="Width of the panel"
        aria-valuenow={width.value}
        aria-valuemin={NARROWEST}
        aria-valuemax={WIDEST}
        tabIndex={0}
        onKeyDown={press}
        onPointerDown={(event) => event.currentTarget.setPointerCapture(event.pointerId)}
        onPointerMove={(event) => {
          if (event.currentTarget.hasPointerCapture(event.pointerId)) resize(event.clientX);
        }}
      />
    </div>
  );
}
