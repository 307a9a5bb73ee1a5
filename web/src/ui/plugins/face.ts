/** What the host can ask of this page: the face of protocol/IMJOY.md. */
import { render } from "preact";
import type { CallContext } from "../../rpc/index.ts";
import { keep, withContext } from "../../rpc/index.ts";
import type { FrameSpec, Started, Tell, WindowOfFrame } from "../../workers/frame_spec.ts";
import type { Notices } from "../notices.ts";
import { saveFile } from "../save_file.ts";
import type { Activity } from "./activity.ts";
import { blobOf } from "./built_in/carried.ts";
import type { Questions } from "./dialogs/questions.ts";
import type { PluginLogs } from "./log/plugin_logs.ts";
import type {
  About,
  Asked,
  BuiltIn,
  FaceService,
  FileWish,
  FormSpec,
  Line,
  StartFrame,
  Told,
} from "./service.ts";
import type { OpenWindow, PluginWindows } from "./windows/plugin_windows.ts";

export type FaceParts = {
  readonly questions: Questions;
  readonly windows: PluginWindows;
  readonly logs: PluginLogs;
  readonly notices: Notices;
  readonly activity: Activity;
  /** Where frames without a window lie. */
  readonly hidden: HTMLElement;
  readonly loadFrames: () => Promise<StartFrame>;
  readonly showLog: (about: About) => void;
};

const LONGEST_NOTICE = 500;

export class Face implements FaceService {
  readonly #parts: FaceParts;
  readonly #frames = new Set<Started>();

  constructor(parts: FaceParts) {
    this.#parts = parts;
  }

  readonly alert = withContext(async (context: CallContext, about: About, told: Told) => {
    await this.#parts.questions.ask({ kind: "alert", about, told }, context.signal);
    return null;
  });

  readonly confirm = withContext(async (context: CallContext, about: About, told: Told) => {
    const answer = await this.#parts.questions.ask(
      { kind: "confirm", about, told },
      context.signal,
    );
    return answer === true;
  });

  readonly prompt = withContext((context: CallContext, about: About, asked: Asked) =>
    this.#parts.questions.ask({ kind: "prompt", about, asked }, context.signal),
  );

  readonly form = withContext((context: CallContext, about: About, form: FormSpec) =>
    this.#parts.questions.ask({ kind: "form", about, form }, context.signal),
  );

  readonly choose_files = withContext((context: CallContext, about: About, wish: FileWish) =>
    this.#parts.questions.ask({ kind: "files", about, wish }, context.signal),
  );

  show_message(about: About, text: string, seconds: number): void {
    const shortened = text.length > LONGEST_NOTICE ? `${text.slice(0, LONGEST_NOTICE)} …` : text;
    const shownFor = Math.min(Math.max(seconds, 1), 120);
    this.#parts.notices.add({
      severity: "info",
      text: `${about.name}: ${shortened}`,
      milliseconds: shownFor * 1000,
    });
  }

  show_status(about: About, text: string): void {
    this.#parts.activity.status(about, text);
  }

  show_progress(about: About, fraction: number | null): void {
    this.#parts.activity.progress(about, fraction);
  }

  log(about: About, line: Line): void {
    this.#parts.logs.add(about.id, line);
    if (line.level !== "error") return;
    const first = line.text.split("\n").findLast((one) => one.trim() !== "") ?? "";
    this.#parts.notices.add({
      severity: "error",
      text: `${about.name}: ${first.slice(0, LONGEST_NOTICE)}`,
      action: { label: "Show the log", run: () => this.#parts.showLog(about) },
      isOfJob: true,
    });
  }

  save_file(_about: About, name: string, bytes: unknown, mime: string): void {
    const safe = name.replace(/[/\\\0]/g, "-").slice(0, 200) || "file";
    saveFile(safe, blobOf(bytes, mime));
  }

  open_url(about: About, address: string): void {
    const { protocol, href, host } = new URL(address, location.href);
    if (!["http:", "https:", "mailto:"].includes(protocol)) {
      throw new Error(
        `Only addresses of web pages can be opened: this one begins with ${protocol}`,
      );
    }
    const open = () => void window.open(href, "_blank", "noopener,noreferrer");
    // Without a click a moment ago, a browser opens nothing and says nothing.
    if (navigator.userActivation?.isActive) open();
    else {
      this.#parts.notices.add({
        severity: "warning",
        text: `${about.name} would like to open ${host || href}.`,
        action: { label: "Open", run: open },
      });
    }
  }

  async start(frame: FrameSpec, api: (name: string, args: unknown[]) => unknown, tell: Tell) {
    keep(api);
    keep(tell);
    const startFrame = await this.#parts.loadFrames();
    if (!frame.window) {
      const place = document.createElement("div");
      this.#parts.hidden.append(place);
      try {
        return this.#followed(await startFrame(frame, api, tell, place), () => place.remove());
      } catch (error) {
        place.remove();
        throw error;
      }
    }
    const opened = this.#open(frame.name, frame.window, tell, () => started?.stop());
    let started: Started | null = null;
    try {
      started = await startFrame(frame, api, tell, opened.element);
    } catch (error) {
      this.#parts.windows.remove(opened.key);
      throw error;
    }
    return this.#controlled(opened, started);
  }

  async built_in(window: BuiltIn, tell: Tell) {
    keep(tell);
    const { builtIn } = await import("./built_in/catalogue.tsx");
    // Before there is a window: a kind that is not known opens none.
    const { View, functions } = builtIn(window);
    const opened = this.#open(window.title || window.type, window, tell, () => undefined);
    render(View(), opened.element);
    return this.#controlled(opened, {
      interface: functions,
      config: { name: window.title, type: window.type },
      stop: async () => render(null, opened.element),
      control: () => null,
    });
  }

  /** End all that runs in the page: whoever has started it is gone. */
  forgetFrames(): void {
    for (const frame of this.#frames) void frame.stop().catch(() => undefined);
    this.#frames.clear();
  }

  #open(
    name: string,
    { title, w, h, fullscreen, dialog }: WindowOfFrame,
    tell: Tell,
    end: () => unknown,
  ): OpenWindow {
    const spec = {
      name,
      title: title || name,
      w: sizeOf(w),
      h: sizeOf(h),
      fullscreen: !!fullscreen,
      isDialog: !!dialog,
    };
    return this.#parts.windows.add(spec, {
      closed: async () => {
        await tell("closed", {});
        await end();
      },
      focused: () => void Promise.resolve(tell("focused", {})).catch(() => undefined),
    });
  }

  /** What the host may do with a window: part of that is the page's, the rest the frame's. */
  #controlled({ key }: OpenWindow, started: Started): Started {
    const { windows } = this.#parts;
    const control: Started["control"] = (name, args = []) => {
      if (name === "focus" || name === "show") windows.show(key);
      else if (name === "hide") windows.setHidden(key, true);
      else if (name === "close") return windows.close(key).then(() => null);
      else if (name === "resize") windows.resize(key, ...sizeIn(args));
      return started.control(name, args);
    };
    return this.#followed({ ...started, control }, () => windows.remove(key));
  }

  #followed(started: Started, ended: () => void): Started {
    const followed: Started = {
      ...started,
      stop: async () => {
        this.#frames.delete(followed);
        await started.stop();
        ended();
      },
    };
    this.#frames.add(followed);
    return followed;
  }
}

/** As plugins write them: a number, or none that can be used. */
function sizeOf(value: unknown): number | null {
  const size = Number(value ?? 0);
  return size > 0 && Number.isFinite(size) ? size : null;
}

/** Of `resize(w, h)` and of `resize({w, h})`. */
function sizeIn([first, second]: readonly unknown[]): [number, number] {
  if (typeof first !== "object" || first === null) return [Number(first), Number(second)];
  const { w, h } = first as { readonly w?: unknown; readonly h?: unknown };
  return [Number(w), Number(h)];
}
