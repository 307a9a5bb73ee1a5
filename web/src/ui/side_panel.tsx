/** The panel beside the canvas: controls of the selected layer, the list of layers; its width can be dragged. */
import { useMemo } from "preact/hooks";
import type { Layer } from "../viewer/types.ts";
import type { Desk } from "./desk.ts";
import type { HistogramSource } from "./histogram_source.ts";
import { LayerControls } from "./layer_controls.tsx";
import { LayerList } from "./layer_list.tsx";
import { PanelEdge, PanelWidth } from "./panel_edge.tsx";

const NARROWEST = 220;

type SidePanelProps = {
  readonly desk: Desk;
  readonly histograms: HistogramSource;
  /** Null while nobody could take a layer away. */
  readonly onRemove: ((layer: Layer) => void) | null;
  /** Null while nobody could show a layer in napari. */
  readonly onSend: ((layer: Layer) => void) | null;
  /** Null while nothing can be run. */
  readonly onRun: ((layer: Layer) => void) | null;
};

export function SidePanel(props: SidePanelProps) {
  const { desk, histograms, onRemove, onSend, onRun } = props;
  const width = useMemo(() => new PanelWidth(innerWidth < 960 ? 248 : 296, NARROWEST), []);
  return (
    <div class="panel" style={{ width: `${width.pixels}px` }}>
      <LayerControls desk={desk} histograms={histograms} />
      <LayerList desk={desk} onRemove={onRemove} onSend={onSend} onRun={onRun} />
      <PanelEdge width={width} side="right" label="Width of the panel" />
    </div>
  );
}
