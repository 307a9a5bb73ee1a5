/** The colour map of a layer: a menu that shows what each looks like, and a colour of one's own. */
import { useSignal } from "@preact/signals";
import { useEffect, useId, useRef } from "preact/hooks";
import { colourRamp } from "./colour_ramp.ts";
import type { Colormaps } from "./desk.ts";
import { Icon } from "./icons.tsx";
import { isColour } from "./view_state.ts";

type ColormapMenuProps = {
  readonly value: string;
  readonly colormaps: Colormaps;
  readonly onChange: (colormap: string) => void;
};

export function ColormapMenu({ value, colormaps, onChange }: ColormapMenuProps) {
  const open = useSignal(false);
  const button = useRef<HTMLButtonElement>(null);
  const id = useId();
  const close = (focus: boolean) => {
    open.value = false;
    if (focus) button.current?.focus();
  };
  return (
    <div class="field">
      <span class="field-label" id={`${id}-label`}>
        Colour map
      </span>
      <button
        ref={button}
        type="button"
        class="menu-button"
        id={`${id}-button`}
        aria-haspopup="listbox"
        aria-expanded={open.value}
        aria-labelledby={`${id}-label ${id}-button`}
        onClick={() => {
          open.value = !open.value;
        }}
        onKeyDown={(event) => {
          if (event.key !== "ArrowDown" && event.key !== "ArrowUp") return;
          event.preventDefault();
          open.value = true;
        }}
      >
        <span class="ramp-preview" style={{ background: colourRamp(value, colormaps) }} />
        <span class="menu-text">{value}</span>
        <Icon name="chevron" />
      </button>
      <input
        type="color"
        class="colour-well"
        aria-label="Colour of one's own, from black"
        title="From black to a colour of your own"
        value={isColour(value) ? value : brightest(colormaps[value])}
        onInput={(event) => onChange(event.currentTarget.value)}
      />
      {open.value && button.current && (
        <Options
          anchor={button.current}
          value={value}
          colormaps={colormaps}
          onChange={onChange}
          onClose={close}
        />
      )}
    </div>
  );
}

type OptionsProps = ColormapMenuProps & {
  readonly anchor: HTMLElement;
  readonly onClose: (focus: boolean) => void;
};

function Options({ anchor, value, colormaps, onChange, onClose }: OptionsProps) {
  const list = useRef<HTMLDivElement>(null);
  const names = Object.keys(colormaps);
  const active = useSignal(Math.max(0, names.indexOf(value)));
  const id = useId();

  useEffect(() => {
    list.current?.focus();
    const away = (event: Event) => {
      const target = event.target as Node;
      if (!list.current?.contains(target) && !anchor.contains(target)) onClose(false);
    };
    addEventListener("pointerdown", away, true);
    addEventListener("resize", away);
    return () => {
      removeEventListener("pointerdown", away, true);
      removeEventListener("resize", away);
    };
  }, [anchor, onClose]);

  const at = active.value;
  useEffect(() => {
    list.current?.children[at]?.scrollIntoView({ block: "nearest" });
  }, [at]);

  const choose = (name: string) => {
    onChange(name);
    onClose(true);
  };
  const press = (event: KeyboardEvent) => {
    const moved = moveTo(event.key, at, names);
    const name = names[at];
    if (moved !== null) active.value = moved;
    else if ((event.key === "Enter" || event.key === " ") && name !== undefined) choose(name);
    else if (event.key === "Escape" || event.key === "Tab") onClose(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  };

  return (
    <div
      ref={list}
      class="menu"
      role="listbox"
      aria-label="Colour maps"
      aria-activedescendant={`${id}-${at}`}
      tabIndex={0}
      style={placeBelow(anchor)}
      onKeyDown={press}
    >
      {names.map((name, index) => (
        // biome-ignore lint/a11y/useKeyWithClickEvents: the list has the focus and takes the keys.
        // biome-ignore lint/a11y/useFocusableInteractive: as above, by aria-activedescendant.
        <div
          key={name}
          id={`${id}-${index}`}
          class={index === at ? "menu-item menu-item-active" : "menu-item"}
          role="option"
          aria-selected={name === value}
          onPointerMove={() => {
            active.value = index;
          }}
          onClick={() => choose(name)}
        >
          <span class="ramp-preview" style={{ background: colourRamp(name, colormaps) }} />
          <span class="menu-text">{name}</span>
        </div>
      ))}
    </div>
  );
}

/** Where a key moves to: arrows, ends, or the next name that starts with a letter. */
export function moveTo(key: string, at: number, names: readonly string[]): number | null {
  const last = names.length - 1;
  if (key === "ArrowDown") return Math.min(at + 1, last);
  if (key === "ArrowUp") return Math.max(at - 1, 0);
  if (key === "Home") return 0;
  if (key === "End") return last;
  if (!/^[a-z0-9]$/i.test(key)) return null;
  const start = key.toLowerCase();
  const ahead = names.findIndex((name, i) => i > at && name.toLowerCase().startsWith(start));
  if (ahead >= 0) return ahead;
  const again = names.findIndex((name) => name.toLowerCase().startsWith(start));
  return again >= 0 ? again : null;
}

/** Below the button, or above it where there is more room; the panel around it scrolls and would cut it. */
function placeBelow(anchor: HTMLElement): Record<string, string> {
  const box = anchor.getBoundingClientRect();
  const below = innerHeight - box.bottom - 12;
  const above = box.top - 12;
  const common = { left: `${box.left}px`, width: `${Math.max(box.width, 180)}px` };
  return below >= 240 || below >= above
    ? { ...common, top: `${box.bottom + 4}px`, maxHeight: `${Math.min(below, 420)}px` }
    : {
        ...common,
        bottom: `${innerHeight - box.top + 4}px`,
        maxHeight: `${Math.min(above, 420)}px`,
      };
}

function brightest(table: Uint8Array | undefined): string {
  if (!table) return "#ffffff";
  const hex = [...table.slice(-3)].map((byte) => byte.toString(16).padStart(2, "0"));
  return `#${hex.join("")}`;
}
