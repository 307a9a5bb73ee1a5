/** What is drawn over the image, as chosen. */
import { BrickOutlines } from "../debug/brick_outlines.tsx";
import type { Desk } from "../desk.ts";
import { AxisArrows } from "./axis_arrows.tsx";
import { BoundingBoxes } from "./bounding_boxes.tsx";
import { ColourBars } from "./colour_bars.tsx";
import { PointMark } from "./point_mark.tsx";
import { PositionStamp } from "./position_stamp.tsx";
import { ScaleBar } from "./scale_bar.tsx";

export function Overlays({ desk }: { readonly desk: Desk }) {
  if (desk.layers.value.length === 0) return null;
  const { overlays } = desk;
  return (
    <>
      {overlays.isShown("bricks") && <BrickOutlines desk={desk} />}
      {overlays.isShown("boxes") && <BoundingBoxes desk={desk} />}
      <PointMark desk={desk} />
      <div class="overlay-corner">
        {overlays.isShown("position") && <PositionStamp desk={desk} />}
        {overlays.isShown("axes") && <AxisArrows desk={desk} />}
        {overlays.isShown("scaleBar") && <ScaleBar desk={desk} />}
      </div>
      {overlays.isShown("colourBars") && <ColourBars desk={desk} />}
    </>
  );
}
