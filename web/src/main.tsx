/** The wiring: the app, the server and the viewer learn of each other here. */
import "./ui/style.css";
import { Api } from "./api.ts";
import type { LoadHost } from "./ui/host/host_parts.ts";
import { type MakeViewer, mount } from "./ui/mount.tsx";
import type { ViewerHandle } from "./viewer/types.ts";
import { renderWorker, Viewer } from "./viewer/viewer.ts";

declare global {
  interface Window {
    /** For tests and for the console. */
    opsin?: { readonly viewer: ViewerHandle; readonly panels: ViewerHandle[] };
  }
}

const root = document.getElementById("app");
if (root) {
  const api = new Api();
  // It begins while what the app asks the server for is on its way.
  const worker = renderWorker();
  const makeViewer: MakeViewer = (canvas, options) => {
    const made = new Viewer(canvas, options, () => worker);
    // Before the first message of the server comes, so that a test misses none.
    window.opsin = { viewer: made, panels: [] };
    return made;
  };
  const makePanel: MakeViewer = (canvas, options) => {
    const made = new Viewer(canvas, options);
    window.opsin?.panels.push(made);
    return made;
  };
  const loadHost: LoadHost = async (desk, commands, asked) => {
    const [{ HostFace }, { connect }] = await Promise.all([
      import("./ui/host/host_face.tsx"),
      import("./rpc/connect.ts"),
    ]);
    return new HostFace(
      desk,
      commands,
      () => connect(api.rpc),
      (file) => api.showFile(file),
      asked,
    );
  };
  await mount(root, api, api.stream, makeViewer, makePanel, loadHost);
}
