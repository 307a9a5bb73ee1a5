/** The wiring: the app, the server and the viewer learn of each other here. */
import "./ui/style.css";
import { Api } from "./api.ts";
import { mount } from "./ui/mount.tsx";
import type { ViewerHandle } from "./viewer/types.ts";
import { Viewer } from "./viewer/viewer.ts";

declare global {
  interface Window {
    /** For tests and for the console. */
    opsin?: { readonly viewer: ViewerHandle };
  }
}

const root = document.getElementById("app");
if (root) {
  const api = new Api();
  await mount(root, api, api.stream, (canvas, options) => {
    const made = new Viewer(canvas, options);
    // Before the first message of the server comes, so that a test misses none.
    window.opsin = { viewer: made };
    return made;
  });
}
