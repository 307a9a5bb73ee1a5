/** The tabs of windows that share a place, and what can be done with the front one. */
import { useRef } from "preact/hooks";
import { IconButton } from "../../icons.tsx";
import { dropAt, type Group, NARROW } from "./arrangement.ts";
import { IMAGE, type Rect, type Side } from "./layout.ts";
import { floatPlace } from "./opening.ts";
import type { PluginWindows } from "./plugin_windows.ts";

type TabsProps = { readonly windows: PluginWindows; readonly group: Group };

/** Pixels after which a press is a drag. */
const DRAG = 6;

const SIDES: Readonly<Record<string, Side>> = {
  ArrowLeft: "left",
  ArrowRight: "right",
  ArrowUp: "top",
  ArrowDown: "bottom",
};

export function WindowTabs({ windows, group }: TabsProps) {
  const { active, isFloating, id } = group;
  const isNarrow = windows.area.value.width < NARROW;
  const isMaximised = windows.layout.value.maximised === active;
  const title = titleOf(windows, active);
  const from = useRef<{ readonly x: number; readonly y: number; readonly place: Rect } | null>(
    null,
  );
  return (
    <div
      class="window-tabs"
      role="toolbar"
      aria-label={`Window ${title}`}
      onDblClick={() => windows.toggleMaximised(active)}
      onPointerDown={(event) => {
        // What moves a float is its header, but for what is pressed in it.
        if (!isFloating || event.target !== event.currentTarget) return;
        event.currentTarget.setPointerCapture(event.pointerId);
        from.current = { x: event.clientX, y: event.clientY, place: group.place };
        windows.show(active);
      }}
      onPointerMove={(event) => {
        const start = from.current;
        if (!start || !event.currentTarget.hasPointerCapture(event.pointerId)) return;
        windows.moveFloat(id, {
          ...start.place,
          left: start.place.left + event.clientX - start.x,
          top: start.place.top + event.clientY - start.y,
        });
      }}
      onLostPointerCapture={() => {
        from.current = null;
      }}
    >
      <div class="window-tab-list" role="tablist" aria-label="Windows">
        {group.windows.map((key) => (
          <WindowTab key={key} windows={windows} group={group} window={key} />
        ))}
      </div>
      <div class="window-buttons">
        {active !== IMAGE && !isMaximised && !isNarrow && (
          <IconButton
            icon={isFloating ? "dockIn" : "float"}
            label={isFloating ? `Dock ${title} beside the image` : `Let ${title} float`}
            onClick={() => windows.toggleFloat(active)}
          />
        )}
        {!isNarrow && (
          <IconButton
            icon={isMaximised ? "restore" : "maximise"}
            label={isMaximised ? `Restore ${title}` : `Maximise ${title}`}
            onClick={() => windows.toggleMaximised(active)}
          />
        )}
        {active !== IMAGE && (
          <IconButton
            icon="close"
            label={`Close ${title}`}
            onClick={() => void windows.close(active)}
          />
        )}
      </div>
    </div>
  );
}

function WindowTab({ windows, group, window }: TabsProps & { readonly window: string }) {
  const isActive = group.active === window;
  const start = useRef<{ readonly x: number; readonly y: number } | null>(null);
  const title = titleOf(windows, window);
  const press = (event: KeyboardEvent) => {
    const side = SIDES[event.key];
    if (side && event.altKey) {
      event.preventDefault();
      windows.dockBeside(window, side);
    } else if (event.key === "ArrowLeft" || event.key === "ArrowRight") {
      event.preventDefault();
      const step = event.key === "ArrowLeft" ? -1 : 1;
      const at = group.windows.indexOf(window) + step;
      const next = group.windows[(at + group.windows.length) % group.windows.length];
      if (next === undefined) return;
      windows.show(next);
      const tabs = event.currentTarget as HTMLElement;
      const place = (at + group.windows.length) % group.windows.length;
      (tabs.parentElement?.children[place] as HTMLElement | undefined)?.focus();
    } else if (event.key === "Delete" && window !== IMAGE) {
      event.preventDefault();
      void windows.close(window);
    }
  };
  /** In pixels of the area. */
  const at = (event: PointerEvent) => {
    const area = (event.currentTarget as HTMLElement).closest(".windows")?.getBoundingClientRect();
    return { x: event.clientX - (area?.left ?? 0), y: event.clientY - (area?.top ?? 0) };
  };
  const drop = () => {
    const drag = windows.drag.peek();
    windows.drag.value = null;
    if (!drag) return;
    if (drag.drop) windows.dock(window, drag.drop.tabs, drag.drop.side);
    else {
      const spec = windows.find(window)?.spec ?? { w: null, h: null };
      const size = floatPlace(spec, windows.area.peek(), 0);
      windows.floatAt(window, { ...size, left: drag.x - 60, top: drag.y - 12 });
    }
  };
  return (
    <button
      type="button"
      role="tab"
      class="window-tab"
      aria-selected={isActive}
      tabIndex={isActive ? 0 : -1}
      title={title}
      onClick={() => windows.show(window)}
      onAuxClick={(event) => {
        if (event.button === 1 && window !== IMAGE) void windows.close(window);
      }}
      onKeyDown={press}
      onPointerDown={(event) => {
        if (event.button !== 0 || window === IMAGE) return;
        start.current = at(event);
        event.currentTarget.setPointerCapture(event.pointerId);
      }}
      onPointerMove={(event) => {
        const from = start.current;
        if (!from) return;
        const { x, y } = at(event);
        if (!windows.drag.peek() && Math.hypot(x - from.x, y - from.y) < DRAG) return;
        windows.drag.value = { window, x, y, drop: dropAt(windows.arrangement.peek(), x, y) };
      }}
      onPointerUp={() => {
        start.current = null;
        drop();
      }}
      onPointerCancel={() => {
        start.current = null;
        windows.drag.value = null;
      }}
    >
      {title}
    </button>
  );
}

function titleOf(windows: PluginWindows, key: string): string {
  return key === IMAGE ? "Image" : (windows.find(key)?.spec.title ?? key);
}
