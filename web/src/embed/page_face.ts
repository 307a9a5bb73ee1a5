/** What the host can ask of a page of others: the face of protocol/IMJOY.md. */
import { render } from "preact";
import { type CallContext, keep, withContext } from "../rpc/index.ts";
import { blobOf } from "../ui/plugins/built_in/carried.ts";
import type {
  About,
  Asked,
  BuiltIn,
  FaceService,
  FormSpec,
  Line,
  Told,
} from "../ui/plugins/service.ts";
import { saveFile } from "../ui/save_file.ts";
import { startFrame } from "../workers/frame.ts";
import type {
  FramePlaces,
  FrameSpec,
  Started,
  Tell,
  WindowOfFrame,
} from "../workers/frame_spec.ts";
import { element, openPanel, type Panel } from "./panels.ts";
import { alertIn, confirmIn, formIn, promptIn, words } from "./questions.ts";

const LONGEST_NOTICE = 500;
const ERROR_SECONDS = 30;

/** `report` tells the page's own scripts. */
export class PageFace implements FaceService {
  /** Where frames are, once the host has said so. */
  places: FramePlaces | null = null;
  readonly #container: HTMLElement;
  readonly #report: (event: string, detail: unknown) => void;
  readonly #hidden = element("div", "opsin-hidden");
  readonly #notices = element("div", "");
  readonly #status = element("p", "opsin-notice");
  readonly #progress = element("progress", "");
  readonly #running = new Set<() => Promise<void> | void>();

  constructor(container: HTMLElement, report: (event: string, detail: unknown) => void) {
    this.#container = container;
    this.#report = report;
    this.#hidden.inert = true;
    this.#notices.setAttribute("role", "status");
    this.#status.setAttribute("role", "status");
    this.#status.hidden = true;
    this.#progress.setAttribute("aria-label", "Progress");
    this.#progress.hidden = true;
    container.append(this.#hidden, this.#notices, this.#status, this.#progress);
  }

  readonly alert = withContext(async (context: CallContext, about: About, told: Told) => {
    await alertIn(this.#container, about, told, context.signal);
    return null;
  });

  readonly confirm = withContext((context: CallContext, about: About, told: Told) =>
    confirmIn(this.#container, about, told, context.signal),
  );

  readonly prompt = withContext((context: CallContext, about: About, asked: Asked) =>
    promptIn(this.#container, about, asked, context.signal),
  );

  readonly form = withContext((context: CallContext, about: About, form: FormSpec) =>
    formIn(this.#container, about, form, context.signal),
  );

  choose_files(): never {
    throw new Error("Files are chosen by the page itself: let it answer showFileDialog.");
  }

  async show_message(about: About, text: string, seconds: number): Promise<void> {
    this.#report("message", { about, text, seconds });
    const shown = text.length > LONGEST_NOTICE ? `${text.slice(0, LONGEST_NOTICE)} …` : text;
    this.#notice(seconds, `${about.name}: `, await words(shown));
  }

  show_status(about: About, text: string): void {
    this.#report("status", { about, text });
    this.#status.textContent = text && `${about.name}: ${text}`;
    this.#status.hidden = text === "";
  }

  show_progress(about: About, fraction: number | null): void {
    this.#report("progress", { about, fraction });
    this.#progress.hidden = fraction === null || fraction >= 1;
    if (fraction !== null) this.#progress.value = fraction;
  }

  log(about: About, line: Line): void {
    this.#report("log", { about, line });
    if (line.level !== "error") return;
    const first = line.text.split("\n").findLast((one) => one.trim() !== "") ?? "";
    this.#notice(ERROR_SECONDS, `${about.name}: ${first.slice(0, LONGEST_NOTICE)}`);
  }

  save_file(_about: About, name: string, bytes: unknown, mime: string): void {
    saveFile(name.replace(/[/\\\0]/g, "-").slice(0, 200) || "file", blobOf(bytes, mime));
  }

  open_url(about: About, address: string): void {
    const { protocol, href, host } = new URL(address);
    if (!["http:", "https:", "mailto:"].includes(protocol)) {
      throw new Error(
        `Only addresses of web pages can be opened: this one begins with ${protocol}`,
      );
    }
    if (navigator.userActivation?.isActive) {
      window.open(href, "_blank", "noopener,noreferrer");
      return;
    }
    const link = element("a", "", host || href);
    link.href = href;
    link.target = "_blank";
    link.rel = "noopener noreferrer";
    this.#notice(60, `${about.name} would like to open `, link);
  }

  async start(frame: FrameSpec, api: (name: string, args: unknown[]) => unknown, tell: Tell) {
    keep(api);
    keep(tell);
    if (!this.places) throw new Error("The page is not linked to Opsin any more.");
    if (!frame.window) {
      const place = element("div", "");
      this.#hidden.append(place);
      try {
        const started = await startFrame(frame, api, tell, place, this.places);
        return this.#followed(started, () => place.remove());
      } catch (error) {
        place.remove();
        throw error;
      }
    }
    let started: Started | null = null;
    const panel = this.#open(frame.id, frame.name, frame.window, tell, () => started?.stop());
    try {
      started = await startFrame(frame, api, tell, panel.element, this.places);
    } catch (error) {
      panel.remove();
      throw error;
    }
    return this.#controlled(panel, started, frame.id);
  }

  async built_in(window: BuiltIn, tell: Tell) {
    keep(tell);
    const { builtIn } = await import("../ui/plugins/built_in/catalogue.tsx");
    const { View, functions } = builtIn(window);
    const panel = this.#open(window.id, window.title || window.type, window, tell, () => undefined);
    render(View(), panel.element);
    const started: Started = {
      interface: functions,
      config: { name: window.title, type: window.type },
      stop: async () => render(null, panel.element),
      control: () => null,
    };
    return this.#controlled(panel, started, window.id);
  }

  /** End all that runs in the page: whoever has started it is gone. */
  forgetFrames(): void {
    for (const stop of this.#running) void Promise.resolve(stop()).catch(() => undefined);
    this.#running.clear();
    this.#status.hidden = true;
    this.#progress.hidden = true;
  }

  remove(): void {
    this.forgetFrames();
    for (const one of [this.#hidden, this.#notices, this.#status, this.#progress]) one.remove();
  }

  #open(
    id: string,
    name: string,
    spec: WindowOfFrame,
    tell: Tell,
    end: () => Promise<void> | undefined,
  ): Panel {
    const panel = openPanel(this.#container, name, spec, {
      closed: async () => {
        try {
          await tell("closed", {});
        } finally {
          await end();
          panel.remove();
        }
      },
      focused: () => void Promise.resolve(tell("focused", {})).catch(() => undefined),
    });
    this.#report("windowopened", { id, name, windowId: spec.window_id, element: panel.element });
    return panel;
  }

  #controlled(panel: Panel, started: Started, id: string): Started {
    const control: Started["control"] = (name, args = []) => {
      if (name === "focus" || name === "show") panel.show();
      else if (name === "hide") panel.hide();
      else if (name === "close") return panel.close().then(() => null);
      else if (name === "resize") panel.resize(...sizeIn(args));
      return started.control(name, args);
    };
    return this.#followed({ ...started, control }, () => {
      panel.remove();
      this.#report("windowclosed", { id });
    });
  }

  #followed(started: Started, ended: () => void): Started {
    let isOver = false;
    const stop = async () => {
      if (isOver) return;
      isOver = true;
      this.#running.delete(stop);
      await started.stop();
      ended();
    };
    this.#running.add(stop);
    return { ...started, stop };
  }

  #notice(seconds: number, ...parts: (Node | string)[]): void {
    const notice = element("div", "opsin-notice", ...parts);
    this.#notices.append(notice);
    setTimeout(() => notice.remove(), Math.min(Math.max(seconds, 1), 120) * 1000);
  }
}

/** Of `resize(w, h)` and of `resize({w, h})`. */
function sizeIn([first, second]: readonly unknown[]): [unknown, unknown] {
  if (typeof first !== "object" || first === null) return [first, second];
  const { w, h } = first as { readonly w?: unknown; readonly h?: unknown };
  return [w, h];
}
