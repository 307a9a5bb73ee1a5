/** The app with the fake viewer, to look at while developing: `vite`, then /tests/fake/index.html. */
import "../../src/ui/style.css";
import { mount } from "../../src/ui/mount.tsx";
import { FakeServer } from "./fake_server.ts";
import { FakeViewer, IDLE } from "./fake_viewer.ts";
import { EMPTY, PLATE } from "./scenes.ts";

const root = document.getElementById("app");
if (root) {
  await mount(root, new FakeServer(), "/api/stream", (canvas, options) => {
    const viewer = new FakeViewer(canvas, options);
    Object.assign(window, { fake: viewer, scenes: { EMPTY, PLATE }, idle: IDLE });
    setTimeout(() => {
      viewer.emit("connection", "open");
      viewer.show(location.search.includes("empty") ? EMPTY : PLATE);
      viewer.emit("stats", IDLE);
    }, 100);
    return viewer;
  });
}
