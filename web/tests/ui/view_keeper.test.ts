import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Desk } from "../../src/ui/desk.ts";
import { Notices } from "../../src/ui/notices.ts";
import { ViewKeeper } from "../../src/ui/view_keeper.ts";
import { decodeHash, encodeHash, type ViewState } from "../../src/ui/view_state.ts";
import { FakeServer } from "../fake/fake_server.ts";
import { FakeViewer } from "../fake/fake_viewer.ts";
import { EMPTY, PLATE } from "../fake/scenes.ts";

const CAMERA = { center: [7, 8], zoom: 2, position: { z: 3, t: 0 } } as const;
const SAVED: ViewState = { version: 1, camera: CAMERA, layers: { "0": { gamma: 2 } } };

let viewer: FakeViewer;
let server: FakeServer;
let desk: Desk;
let keeper: ViewKeeper;
let page: { hash: string; readonly href: string };
let listeners: Map<string, () => void>;

beforeEach(() => {
  vi.useFakeTimers();
  page = {
    hash: "",
    get href() {
      return `http://127.0.0.1:9/?token=secret&slots=5${this.hash}`;
    },
  };
  listeners = new Map();
  vi.stubGlobal("location", page);
  vi.stubGlobal("history", {
    state: null,
    replaceState: (_state: unknown, _title: string, hash: string) => {
      page.hash = hash;
    },
  });
  vi.stubGlobal("addEventListener", (type: string, run: () => void) => listeners.set(type, run));
  vi.stubGlobal("removeEventListener", (type: string) => listeners.delete(type));
  viewer = new FakeViewer();
  server = new FakeServer();
});

afterEach(() => {
  keeper.dispose();
  vi.unstubAllGlobals();
  vi.useRealTimers();
});

function start(saved: unknown, saves = true): void {
  desk = new Desk(viewer, server, { gray: new Uint8Array(768) }, new Notices());
  keeper = new ViewKeeper(desk, null, saves);
  keeper.start(saved);
}

const notices = () => desk.notices.shown.value.map((notice) => notice.text).join();

test("without a view, everything is shown", () => {
  start(null);
  viewer.show(PLATE);
  expect(viewer.calls).toContain("fit");
});

test("the view that the server kept is taken up once there are layers", () => {
  start(SAVED);
  viewer.show(EMPTY);
  viewer.show(PLATE);
  expect(viewer.camera).toMatchObject(CAMERA);
  expect(viewer.layer(0).gamma).toBe(2);
  expect(viewer.calls).not.toContain("fit");
  viewer.setCamera({ zoom: 5 });
  viewer.show(PLATE);
  expect(viewer.camera?.zoom).toBe(5);
});

test("the address comes before the server", () => {
  page.hash = encodeHash({ ...SAVED, camera: { ...CAMERA, zoom: 9 }, layers: {} });
  start(SAVED);
  viewer.show(PLATE);
  expect(viewer.camera?.zoom).toBe(9);
  expect(viewer.layer(0).gamma).toBe(1);
});

test("a broken address is told; what the server kept is used", () => {
  page.hash = "#view=%7Bbroken";
  start(SAVED);
  viewer.show(PLATE);
  expect(notices()).toMatch(/ignored/);
  expect(viewer.camera?.zoom).toBe(2);
});

test("what the server kept of other images is no news", () => {
  start({ ...SAVED, layers: { "99": { gamma: 3 } } });
  viewer.show(PLATE);
  expect(notices()).toBe("");
});

test("changes are written when things are quiet, once", () => {
  start(null);
  viewer.show(PLATE);
  for (let zoom = 1; zoom < 50; zoom += 1) {
    viewer.setCamera({ zoom });
    vi.advanceTimersByTime(16);
  }
  desk.changeLayer(0, { visible: false });
  expect(server.saves).toEqual([]);
  vi.advanceTimersByTime(300);
  expect(server.saves).toHaveLength(1);
  const { state } = decodeHash(page.hash);
  expect(state).toMatchObject({ camera: { zoom: 49 }, layers: { "0": { visible: false } } });
  expect(server.saves[0]).toEqual(state);
});

test("leaving the page writes what waits", () => {
  start(null);
  viewer.show(PLATE);
  viewer.setCamera({ zoom: 3 });
  listeners.get("pagehide")?.();
  expect(server.saves.at(-1)?.camera?.zoom).toBe(3);
});

test("a page that is loaded again shows what it did, though its address is older", () => {
  const kept = new Map<string, string>();
  vi.stubGlobal("sessionStorage", {
    getItem: (key: string) => kept.get(key) ?? null,
    setItem: (key: string, value: string) => kept.set(key, value),
    removeItem: (key: string) => kept.delete(key),
  });
  let way = "navigate";
  vi.stubGlobal("performance", { getEntriesByType: () => [{ type: way }] });
  start(null);
  viewer.show(PLATE);
  viewer.setCamera(CAMERA);
  listeners.get("pagehide")?.();
  keeper.dispose();
  for (way of ["reload", "navigate"]) {
    page.hash = "";
    viewer = new FakeViewer();
    start(null);
    viewer.show(PLATE);
    if (way === "reload") expect(viewer.camera).toMatchObject(CAMERA);
    else expect(viewer.camera).not.toMatchObject(CAMERA);
    if (way === "reload") listeners.get("pagehide")?.();
    keeper.dispose();
  }
  expect(kept.size).toBe(0);
});

test("another view in the address is followed, one's own is not", () => {
  start(null);
  viewer.show(PLATE);
  vi.advanceTimersByTime(300);
  const calls = viewer.calls.length;
  listeners.get("hashchange")?.();
  expect(viewer.calls).toHaveLength(calls);
  desk.changeLayer(1, { gamma: 3 });
  page.hash = encodeHash(SAVED);
  listeners.get("hashchange")?.();
  expect(viewer.camera).toMatchObject(CAMERA);
  expect([viewer.layer(0).gamma, viewer.layer(1).gamma]).toEqual([2, 1]);
});

test("a measured run does not change what a user finds", () => {
  start(null, false);
  viewer.show(PLATE);
  viewer.setCamera({ zoom: 3 });
  vi.advanceTimersByTime(1000);
  expect(server.saves).toEqual([]);
  expect(page.hash).not.toBe("");
});

test("a link holds the view and no token", () => {
  start(SAVED);
  viewer.show(PLATE);
  const link = new URL(keeper.link);
  expect(link.search).toBe("?slots=5");
  expect(decodeHash(link.hash).state).toEqual(SAVED);
});
