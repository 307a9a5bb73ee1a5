/** The canvas and what lies over it. */
import { useEffect, useRef } from "preact/hooks";
import type { Desk } from "./desk.ts";

type CanvasHolderProps = { readonly canvas: HTMLCanvasElement };

/** Holds the canvas, which belongs to the viewer and must never be made anew. */
export function CanvasHolder({ canvas }: CanvasHolderProps) {
  const holder = useRef<HTMLDivElement>(null);
  useEffect(() => {
    holder.current?.append(canvas);
  }, [canvas]);
  return <div ref={holder} class="canvas-holder" />;
}

/** What the canvas says while it has nothing to show. */
export function EmptyStage({ desk }: { readonly desk: Desk | null }) {
  if (desk === null || desk.opening.value) {
    return (
      <div class="stage-message" role="status">
        <p>Opening …</p>
      </div>
    );
  }
  if (desk.layers.value.length > 0) return null;
  return (
    <div class="stage-message" role="status">
      <h2>Nothing is open</h2>
      <p>
        Open an image from the terminal: <code>opsin view image.ome.zarr</code>
      </p>
    </div>
  );
}
