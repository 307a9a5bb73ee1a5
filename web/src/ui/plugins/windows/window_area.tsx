/** The windows around the canvas: their tabs, the edges between them, and what is dragged. */
import { useSignalEffect } from "@preact/signals";
import { useLayoutEffect, useRef } from "preact/hooks";
import { type Edge, type Group, HEADER } from "./arrangement.ts";
import { IMAGE, type Rect } from "./layout.ts";
import type { PluginWindows } from "./plugin_windows.ts";
import { WindowBodies } from "./window_bodies.ts";
import { WindowTabs } from "./window_tabs.tsx";

type AreaProps = { readonly windows: PluginWindows };

export function WindowArea({ windows }: AreaProps) {
  const area = useRef<HTMLElement>(null);
  const layer = useRef<HTMLDivElement>(null);
  useLayoutEffect(() => {
    const element = area.current;
    if (!element) return;
    const measure = () => {
      const { clientWidth: width, clientHeight: height } = element;
      const before = windows.area.peek();
      if (before.width !== width || before.height !== height)
        windows.area.value = { width, height };
    };
    const observer = new ResizeObserver(measure);
    observer.observe(element);
    measure();
    return () => observer.disconnect();
  }, [windows]);
  useLayoutEffect(() => {
    if (!layer.current) return;
    const bodies = new WindowBodies(windows, layer.current);
    return () => bodies.dispose();
  }, [windows]);
  const { groups, edges } = windows.arrangement.value;
  const drag = windows.drag.value;
  return (
    <section ref={area} class={drag ? "windows windows-dragging" : "windows"} aria-label="Windows">
      <div ref={layer} class="window-bodies" />
      {groups.map((group) =>
        group.hasHeader ? <WindowFrame key={group.id} windows={windows} group={group} /> : null,
      )}
      {edges.map((edge) => (
        <WindowEdge key={`${edge.split} ${edge.at}`} windows={windows} edge={edge} />
      ))}
      {drag?.drop && <div class="window-preview" style={placed(drag.drop.preview)} />}
      {drag && <Shield />}
    </section>
  );
}

type FrameProps = AreaProps & { readonly group: Group };

function WindowFrame({ windows, group }: FrameProps) {
  const { place, isFloating, level } = group;
  const depth = isFloating ? { zIndex: 10 + 2 * level } : {};
  return (
    <>
      {isFloating && (
        <div class="window-shadow" style={{ ...placed(place), ...depth }} aria-hidden="true" />
      )}
      <div
        class={isFloating ? "window-header window-header-floating" : "window-header"}
        style={{ ...placed({ ...place, height: HEADER }), ...depth, zIndex: 11 + 2 * level }}
      >
        <WindowTabs windows={windows} group={group} />
      </div>
      {isFloating && <FloatCorner windows={windows} group={group} />}
    </>
  );
}

/** Makes a float larger or smaller. */
function FloatCorner({ windows, group: { id, place, level } }: FrameProps) {
  const start = useRef<{ readonly x: number; readonly y: number; readonly place: Rect } | null>(
    null,
  );
  return (
    <div
      class="window-corner"
      aria-hidden="true"
      style={{
        left: `${place.left + place.width - 14}px`,
        top: `${place.top + place.height - 14}px`,
        zIndex: 12 + 2 * level,
      }}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        start.current = { x: event.clientX, y: event.clientY, place };
      }}
      onPointerMove={(event) => {
        const from = start.current;
        if (!from || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
        windows.moveFloat(id, {
          ...from.place,
          width: Math.max(180, from.place.width + event.clientX - from.x),
          height: Math.max(90, from.place.height + event.clientY - from.y),
        });
      }}
      onLostPointerCapture={() => {
        start.current = null;
      }}
    />
  );
}

type EdgeProps = AreaProps & { readonly edge: Edge };

function WindowEdge({ windows, edge }: EdgeProps) {
  const { split, at, direction, place, length } = edge;
  const isRow = direction === "row";
  const last = useRef(0);
  const move = (pixels: number) => windows.resizeSplit(split, at, pixels / Math.max(length, 1));
  const press = (event: KeyboardEvent) => {
    const keys = isRow ? ["ArrowLeft", "ArrowRight"] : ["ArrowUp", "ArrowDown"];
    const direction = keys.indexOf(event.key);
    if (direction < 0) return;
    event.preventDefault();
    move(direction === 0 ? -16 : 16);
  };
  return (
    // biome-ignore lint/a11y/useSemanticElements: a separator that moves is no <hr>.
    <div
      class={`window-edge window-edge-${direction}`}
      role="separator"
      aria-orientation={isRow ? "vertical" : "horizontal"}
      aria-label="Edge between windows"
      aria-valuenow={Math.round(isRow ? place.left : place.top)}
      tabIndex={0}
      style={placed(place)}
      onKeyDown={press}
      onPointerDown={(event) => {
        event.currentTarget.setPointerCapture(event.pointerId);
        last.current = isRow ? event.clientX : event.clientY;
      }}
      onPointerMove={(event) => {
        if (!event.currentTarget.hasPointerCapture(event.pointerId)) return;
        const now = isRow ? event.clientX : event.clientY;
        move(now - last.current);
        last.current = now;
      }}
    />
  );
}

/** Over all iframes, which would take the pointer for themselves. */
function Shield() {
  return <div class="window-shield" aria-hidden="true" />;
}

/** How far from the sides of its cell the canvas lies, as CSS; null where it fills it or is not to be seen. */
export function useImageInset(windows: PluginWindows, take: (inset: string | null) => void): void {
  useSignalEffect(() => take(insetOf(windows)));
}

/** Of the canvas, from the sides of the area: for `margin`; "hidden" where it cannot be seen; null: it has all. */
export function insetOf(windows: PluginWindows): string | null {
  const { area, groups } = windows.arrangement.value;
  const image = windows.image.value;
  if (!image) return groups.some(({ windows: own }) => !own.includes(IMAGE)) ? "hidden" : null;
  const sides = [
    image.top,
    area.width - image.left - image.width,
    area.height - image.top - image.height,
    image.left,
  ];
  return sides.every((side) => side === 0) ? null : sides.map((side) => `${side}px`).join(" ");
}

export function placed({ left, top, width, height }: Rect) {
  return { left: `${left}px`, top: `${top}px`, width: `${width}px`, height: `${height}px` };
}
