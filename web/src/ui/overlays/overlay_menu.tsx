/** A menu of what is drawn over the image. */
import { useSignal } from "@preact/signals";
import { useEffect, useRef } from "preact/hooks";
import type { Desk } from "../desk.ts";
import { Icon } from "../icons.tsx";
import { OVERLAYS } from "./switches.ts";

export function OverlayMenu({ desk }: { readonly desk: Desk }) {
  const open = useSignal(false);
  const button = useRef<HTMLButtonElement>(null);
  const box = useRef<HTMLDivElement>(null);

  useEffect(() => {
    if (!open.value) return;
    const away = (event: Event) => {
      if (!box.current?.contains(event.target as Node)) open.value = false;
    };
    const press = (event: KeyboardEvent) => {
      if (event.key !== "Escape") return;
      event.preventDefault();
      open.value = false;
      button.current?.focus();
    };
    addEventListener("pointerdown", away, true);
    addEventListener("keydown", press, true);
    return () => {
      removeEventListener("pointerdown", away, true);
      removeEventListener("keydown", press, true);
    };
  }, [open.value, open]);

  return (
    <div class="overlay-menu" ref={box}>
      <button
        ref={button}
        type="button"
        class="icon-button"
        aria-label="Overlays"
        aria-haspopup="true"
        aria-expanded={open.value}
        title="Overlays: scale bar, axes, time, colour bars, boxes"
        onClick={() => {
          open.value = !open.value;
        }}
      >
        <Icon name="overlays" />
      </button>
      {open.value && (
        <fieldset class="overlay-choices">
          <legend class="visually-hidden">Overlays</legend>
          {OVERLAYS.map(({ name, label }) => (
            <label key={name} class="overlay-choice">
              <input
                type="checkbox"
                checked={desk.overlays.isShown(name)}
                onChange={() => desk.overlays.toggle(name)}
              />
              {label}
            </label>
          ))}
        </fieldset>
      )}
    </div>
  );
}
