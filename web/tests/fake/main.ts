/**
 * The app with the fake viewer and the fake host, to look at while developing: `vite`, then
 * /tests/fake/index.html. `?empty`: nothing is open; `?plugins=none|one|many`; `?away`: there is no host.
 */
import "../../src/ui/style.css";
import { HostFace } from "../../src/ui/host/host_face.tsx";
import { mount } from "../../src/ui/mount.tsx";
import { FakeHost } from "./fake_host.ts";
import { FakeServer } from "./fake_server.ts";
import { FakeViewer, IDLE } from "./fake_viewer.ts";
import { NUCLEI, PLUGINS } from "./plugins.ts";
import { pretend } from "./pretend.ts";
import { EMPTY, PLATE } from "./scenes.ts";

const root = document.getElementById("app");
const query = new URLSearchParams(location.search);
if (root) {
  const sets = { none: [], one: [NUCLEI], many: PLUGINS };
  const host = new FakeHost(sets[(query.get("plugins") ?? "many") as keyof typeof sets]);
  host.isReachable = !query.has("away");
  await mount(
    root,
    new FakeServer(),
    "/api/stream",
    (canvas, options) => {
      const viewer = new FakeViewer(canvas, options);
      Object.assign(window, { fake: viewer, host, scenes: { EMPTY, PLATE }, idle: IDLE });
      setTimeout(() => {
        viewer.emit("connection", "open");
        viewer.show(query.has("empty") ? EMPTY : PLATE);
        viewer.emit("stats", IDLE);
        pretend(host, viewer);
      }, 100);
      return viewer;
    },
    (canvas, options) => {
      const panel = new FakeViewer(canvas, options);
      setTimeout(() => panel.show(PLATE), 100);
      return panel;
    },
    async (desk, commands, asked) => new HostFace(desk, commands, host.dial, async () => [], asked),
  );
}
