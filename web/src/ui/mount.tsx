/** Puts the app into a page: makes what it consists of, in order, and can take it all away again. */
import { effect, signal, untracked } from "@preact/signals";
import { render } from "preact";
import type { ViewerHandle, ViewerOptions } from "../viewer/types.ts";
import { App, BareApp, type Tools } from "./app.tsx";
import { newCanvas, probePointer } from "./canvas.ts";
import { Commands } from "./commands.ts";
import { type Colormaps, Desk } from "./desk.ts";
import { sentenceOf } from "./errors.ts";
import { HistogramSource } from "./histogram_source.ts";
import type { HostParts, LoadHost } from "./host/host_parts.ts";
import { imjoyLink } from "./imjoy_link.ts";
import { keptSlots } from "./memory_choice.tsx";
import { MessagePage } from "./message_page.tsx";
import { Notices } from "./notices.ts";
import { type Parameters, parametersOf } from "./parameters.ts";
import { Playback } from "./playback.ts";
import { LinkedViews } from "./quad/linked_views.ts";
import { LinkExpired, type Server } from "./server.ts";
import { pageTitle } from "./title.ts";
import { ViewKeeper } from "./view_keeper.ts";

export type MakeViewer = (canvas: HTMLCanvasElement, options: ViewerOptions) => ViewerHandle;

export type Mounted = {
  /** Null where the app could not start; the page says why. */
  readonly viewer: ViewerHandle | null;
  dispose(): void;
};

/** How often a lost connection is looked into: has the server gone, or does it no longer know us? */
const ASK_AGAIN_MS = 4_000;

export async function mount(
  root: HTMLElement,
  server: Server,
  stream: string,
  makeViewer: MakeViewer,
  makePanel: MakeViewer,
  loadHost: LoadHost,
): Promise<Mounted> {
  const parameters = parametersOf(location.search);
  // Before the view takes the place of the address's hash.
  const asked = parameters.bare ? null : imjoyLink(location.href);
  if (asked) history.replaceState(history.state, "", asked.rest);
  const notices = new Notices();
  const canvas = newCanvas("Image");
  const cleanup: (() => void)[] = [() => render(null, root)];
  const dispose = () => {
    for (const clean of cleanup.splice(0).reverse()) clean();
  };
  const show = (tools: Tools | null) =>
    render(
      parameters.bare ? (
        <BareApp canvas={canvas} />
      ) : (
        <App canvas={canvas} notices={notices} tools={tools} />
      ),
      root,
    );
  show(null);
  try {
    const [colormaps, saved] = await Promise.all([
      server.colormaps(),
      parameters.bare ? null : server.savedView(),
    ]);
    const options = viewerOptions(stream, colormaps, parameters);
    const viewer = makeViewer(canvas, options);
    const desk = new Desk(viewer, server, colormaps, notices);
    const views = new LinkedViews(desk, (canvas) =>
      makePanel(canvas, { ...options, slots: desk.slots.peek() }),
    );
    const keeper = new ViewKeeper(desk, parameters.bare ? null : views, !parameters.bare);
    cleanup.push(
      () => viewer.dispose(),
      () => desk.dispose(),
      () => keeper.dispose(),
    );
    if (!parameters.bare) {
      const playback = new Playback(desk);
      const histograms = new HistogramSource(desk);
      const commands = new Commands(desk, playback, keeper, views);
      commands.listen();
      const host = signal<HostParts | null>(null);
      show({ desk, commands, playback, views, histograms, host });
      cleanup.push(keepHost(desk, host, () => loadHost(desk, commands, asked)));
      probePointer(canvas, viewer);
      const stopTitle = effect(() => {
        document.title = pageTitle(desk.scene.value);
      });
      cleanup.push(
        () => playback.dispose(),
        () => histograms.dispose(),
        () => commands.dispose(),
        () => views.close(),
        stopTitle,
      );
    }
    keeper.start(saved);
    cleanup.push(
      noticeExpiry(desk, () => {
        dispose();
        render(<MessagePage error={new LinkExpired()} />, root);
      }),
    );
    // So that the keys of the canvas work at once; a ring around all of it would say nothing.
    canvas.focus({ preventScroll: true, focusVisible: false } as FocusOptions);
    return { viewer, dispose };
  } catch (error) {
    dispose();
    render(<MessagePage error={error} />, root);
    return { viewer: null, dispose: () => render(null, root) };
  }
}

function viewerOptions(
  stream: string,
  colormaps: Colormaps,
  { bare, clear, slots: asked }: Parameters,
): ViewerOptions {
  const slots = asked ?? (bare ? undefined : keptSlots());
  return {
    stream,
    colormaps,
    ...(clear ? { clear } : {}),
    ...(slots === undefined ? {} : { slots }),
  };
}

/** Loads the host's part of the app, and gives what takes it away again. */
function keepHost(
  desk: Desk,
  host: { value: HostParts | null },
  load: () => Promise<HostParts>,
): () => void {
  let isWanted = true;
  load().then(
    (parts) => {
      if (isWanted) host.value = parts;
      else parts.dispose();
    },
    (error) => {
      const text = `Plugins cannot be shown: ${sentenceOf(error)}`;
      desk.notices.add({ severity: "error", text });
    },
  );
  return () => {
    isWanted = false;
    host.value?.dispose();
  };
}

/** A refused WebSocket does not say why; a server that was started anew answers 401 to anything else. */
function noticeExpiry(desk: Desk, expired: () => void): () => void {
  return effect(() => {
    if (desk.connection.value !== "lost") return;
    const ask = async () => {
      try {
        await desk.server.savedView();
      } catch (error) {
        if (error instanceof LinkExpired) untracked(expired);
      }
    };
    const timer = setInterval(ask, ASK_AGAIN_MS);
    return () => clearInterval(timer);
  });
}
