/**
 * What windows show, each in an element that is put into the page once.
 *
 * The framework would move elements when their order changes, and an iframe that is moved loads anew.
 */
import { effect } from "@preact/signals";
import { contentOf } from "./arrangement.ts";
import type { PluginWindows } from "./plugin_windows.ts";

export class WindowBodies {
  readonly #stop: () => void;

  constructor(windows: PluginWindows, layer: HTMLElement) {
    this.#stop = effect(() => {
      const places = new Map(
        windows.arrangement.value.groups.map((group) => [group.active, group] as const),
      );
      for (const { key, element, spec } of windows.open.value) {
        if (spec.isDialog) continue;
        if (element.parentElement !== layer) layer.append(element);
        const group = places.get(key);
        element.setAttribute("role", "tabpanel");
        element.setAttribute("aria-label", spec.title);
        // An iframe that is not displayed has no size; this one keeps it, and what it has drawn.
        element.classList.toggle("window-body-behind", !group);
        element.inert = !group;
        if (!group) continue;
        const { left, top, width, height } = contentOf(group);
        element.style.left = `${left}px`;
        element.style.top = `${top}px`;
        element.style.width = `${width}px`;
        element.style.height = `${height}px`;
        element.style.zIndex = group.isFloating ? String(11 + 2 * group.level) : "";
        element.classList.toggle("window-body-floating", group.isFloating);
      }
    });
  }

  dispose(): void {
    this.#stop();
  }
}
