/** The windows in which plugins are written and changed: one for a new plugin, one for each that is changed. */
import { render } from "preact";
import { sentenceOf } from "../../errors.ts";
import type { HostLink } from "../../host/host_link.ts";
import type { Plugin } from "../../host/host_service.ts";
import type { Notices } from "../../notices.ts";
import type { PluginWindows } from "../windows/plugin_windows.ts";
import { EditorDraft, type EditorHost } from "./editor_draft.ts";

type Opened = { readonly draft: EditorDraft; window: string };

const NEW = "";

export class Editors {
  readonly #link: HostLink;
  readonly #windows: PluginWindows;
  readonly #notices: Notices;
  readonly #host: EditorHost;
  /** By ids of plugins. */
  readonly #opened = new Map<string, Opened>();

  constructor(
    link: HostLink,
    windows: PluginWindows,
    notices: Notices,
    uses: Omit<EditorHost, "add">,
  ) {
    this.#link = link;
    this.#windows = windows;
    this.#notices = notices;
    this.#host = {
      ...uses,
      add: async (fileName, text) => await link.host.add_plugin(fileName, text),
    };
  }

  /** Open the editor of a new plugin. */
  write(): void {
    if (!this.#showsAgain(NEW)) this.#open(NEW, "New plugin", new EditorDraft(this.#host));
  }

  /** Open the editor of one whose file the host keeps. What was not saved is still there. */
  async edit({ id, name, origin = "" }: Plugin): Promise<void> {
    if (this.#showsAgain(id)) return;
    try {
      const source = await this.#link.host.plugin_source(id);
      this.#open(id, `Source of ${name}`, new EditorDraft(this.#host, source, origin));
    } catch (error) {
      const text = `“${name}” cannot be changed here: ${sentenceOf(error)}`;
      this.#notices.add({ severity: "error", text });
    }
  }

  dispose(): void {
    for (const { draft } of this.#opened.values()) draft.dispose();
  }

  /** The window that is open, or one with the draft that was left in it. */
  #showsAgain(id: string): boolean {
    const opened = this.#opened.get(id);
    if (!opened) return false;
    if (this.#windows.find(opened.window)) {
      this.#windows.show(opened.window);
      return true;
    }
    const { draft } = opened;
    if (id !== NEW && !draft.isUnsaved.peek()) return false;
    this.#open(id, draft.changed ? `Source of ${draft.changed.file_name}` : "New plugin", draft);
    return true;
  }

  #open(id: string, title: string, draft: EditorDraft): void {
    const spec = { name: title, title, w: 20, h: 16, fullscreen: false, isDialog: false };
    const window = this.#windows.add(
      { ...spec, isTool: true },
      { closed: async () => render(null, window.element), focused: () => undefined },
    );
    this.#opened.set(id, { draft, window: window.key });
    void import("./plugin_editor.tsx").then(({ PluginEditor }) =>
      render(<PluginEditor draft={draft} />, window.element),
    );
  }
}
