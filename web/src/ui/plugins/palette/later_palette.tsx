/** The command palette, loaded when it is asked for. */
import { useSignal } from "@preact/signals";
import type { ComponentType } from "preact";
import { useEffect } from "preact/hooks";
import type { PaletteProps } from "./entries.ts";

export function LaterPalette(props: PaletteProps) {
  const { paletteOpen } = props.commands;
  const loaded = useSignal<{ readonly Palette: ComponentType<PaletteProps> } | null>(null);
  const isOpen = paletteOpen.value;
  useEffect(() => {
    if (!isOpen || loaded.peek()) return;
    void import("./palette.tsx").then(({ Palette }) => {
      loaded.value = { Palette };
    });
  }, [isOpen, loaded]);
  const { Palette } = loaded.value ?? {};
  return isOpen && Palette ? <Palette {...props} /> : null;
}
