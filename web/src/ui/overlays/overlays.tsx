/** What is drawn over the image, as chosen: over each canvas what is its own, and once what holds for all. */
import type { View } from "../canvas.ts";
import { BrickLegend, BrickOutlines } from "../debug/brick_outlines.tsx";
import type { Desk } from "../desk.ts";
import { AxisArrows } from "./axis_arrows.tsx";
import { BoundingBoxes } from "./bounding_boxes.tsx";
import { ColourBars } from "./colour_bars.tsx";
import { PointMark } from "./point_mark.tsx";
import { PositionStamp } from "./position_stamp.tsx";
import { ScaleBar } from "./scale_bar.tsx";

type CanvasOverlaysProps = { readonly desk: Desk; readonly view: View };

/** Over one canvas. What holds for all of them stands over the one that is always there. */
export function CanvasOverlays({ desk, view }: CanvasOverlaysProps) {
  if (desk.layers.value.length === 0) return null;
  const { overlays } = desk;
  const isMain = view.viewer === desk.viewer;
  return (
    <>
      {overlays.isShown("bricks") && <BrickOutlines view={view} />}
      {overlays.isShown("boxes") && <BoundingBoxes desk={desk} view={view} />}
      <PointMark desk={desk} view={view} />
      <div class="overlay-corner">
        {isMain && overlays.isShown("position") && <PositionStamp desk={desk} />}
        {overlays.isShown("axes") && <AxisArrows view={view} />}
        {overlays.isShown("scaleBar") && <ScaleBar desk={desk} view={view} />}
      </div>
    </>
  );
}

/** Over all canvases together. */
export function StageOverlays({ desk }: { readonly desk: Desk }) {
  if (desk.layers.value.length === 0) return null;
  const { overlays } = desk;
  const [bricks, bars] = [overlays.isShown("bricks"), overlays.isShown("colourBars")];
  if (!bricks && !bars) return null;
  return (
    <div class="overlay-far-corner">
      {bars && <ColourBars desk={desk} />}
      {bricks && <BrickLegend />}
    </div>
  );
}
