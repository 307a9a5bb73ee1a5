/** The canvases around the one that is always there, and lines through the place that all of them show. */
import { CanvasHolder } from "../stage.tsx";
import type { LinkedViews } from "./linked_views.ts";

export function QuadPanels({ views }: { readonly views: LinkedViews }) {
  return (
    <>
      {views.panels.value.map(({ name, canvas }) => (
        <div key={name} class={`quad-panel quad-${name}`}>
          <CanvasHolder canvas={canvas} />
          {name !== "volume" && <Cross />}
        </div>
      ))}
    </>
  );
}

/** The middle of a canvas is where the other slices lie. */
export function Cross() {
  return <div class="quad-cross" aria-hidden="true" />;
}
