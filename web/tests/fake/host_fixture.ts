/** A page's link to a fake host, with fake timers, for tests of what stands behind the panel. */
import { signal } from "@preact/signals";
import { onTestFinished, vi } from "vitest";
import { Desk } from "../../src/ui/desk.ts";
import { ChosenMemory } from "../../src/ui/host/chosen_memory.ts";
import { HostLink } from "../../src/ui/host/host_link.ts";
import { Notices } from "../../src/ui/notices.ts";
import { FakeHost } from "./fake_host.ts";
import { FakeServer } from "./fake_server.ts";
import { FakeViewer } from "./fake_viewer.ts";
import { GAUSSIAN, NUCLEI } from "./plugins.ts";
import { PLATE } from "./scenes.ts";

/** To be called at the start of a test. */
export function hostFixture() {
  vi.useFakeTimers();
  const host = new FakeHost([NUCLEI, GAUSSIAN]);
  const isServerThere = signal(true);
  const link = new HostLink(host.dial, isServerThere);
  const notices = new Notices();
  const storage = mapStorage();
  const memory = new ChosenMemory(() => storage);
  const viewer = new FakeViewer();
  const desk = new Desk(viewer, new FakeServer(), {}, notices);
  viewer.show(PLATE);
  onTestFinished(() => {
    link.dispose();
    vi.useRealTimers();
  });
  return {
    host,
    link,
    isServerThere,
    notices,
    memory,
    viewer,
    desk,
    texts: () => notices.shown.value.map(({ text }) => text),
    called: (method: string) => host.calls.filter((call) => call.split(" ")[0] === method),
  };
}

export function mapStorage(): Pick<Storage, "getItem" | "setItem" | "removeItem"> {
  const items = new Map<string, string>();
  return {
    getItem: (key) => items.get(key) ?? null,
    setItem: (key, value) => void items.set(key, value),
    removeItem: (key) => void items.delete(key),
  };
}

/** Open the link. */
export async function connected<T extends { readonly link: HostLink }>(fixture: T): Promise<T> {
  void fixture.link.keepOpen();
  await settle();
  return fixture;
}

/** All that is on its way arrives. */
export async function settle(milliseconds = 1): Promise<void> {
  await vi.advanceTimersByTimeAsync(milliseconds);
}
