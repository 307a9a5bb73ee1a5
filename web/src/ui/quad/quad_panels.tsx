/** The canvases around the one that is always there, and lines through the place that all of them show. */
import type { Desk } from "../desk.ts";
import { CanvasOverlays } from "../overlays/overlays.tsx";
import { CanvasHolder } from "../stage.tsx";
import type { LinkedViews } from "./linked_views.ts";

type QuadPanelsProps = { readonly desk: Desk; readonly views: LinkedViews };

export function QuadPanels({ desk, views }: QuadPanelsProps) {
  return (
    <>
      {views.panels.value.map((panel) => (
        <div key={panel.name} class={`quad-panel quad-${panel.name}`}>
          <CanvasHolder canvas={panel.canvas} />
          <CanvasOverlays desk={desk} view={panel} />
          {panel.name !== "volume" && <Cross />}
        </div>
      ))}
    </>
  );
}

/** The middle of a canvas is where the other slices lie. */
export function Cross() {
  return <div class="quad-cross" aria-hidden="true" />;
}
