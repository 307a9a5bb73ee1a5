/** What plugins are allowed: what the user is asked, and what becomes of the answer. */
import { signal } from "@preact/signals";
import { sentenceOf } from "../errors.ts";
import type { Notices } from "../notices.ts";
import type { HostLink } from "./host_link.ts";
import type { Answer, Permission, Plugin } from "./host_service.ts";

/** What stands on the screen until it is answered. */
export type Question = {
  readonly plugin: Plugin;
  readonly permissions: readonly Permission[];
  /** Without answers: the user has thought better of it. */
  readonly settle: (answers: Answers | null) => void;
};

export type Answers = Readonly<Record<string, Answer>>;

export class Permits {
  readonly question = signal<Question | null>(null);
  readonly #link: HostLink;
  readonly #notices: Notices;
  readonly #changed: (plugin: Plugin) => void;

  /** `changed`: what to do with a plugin as it is after an answer, which news may tell later. */
  constructor(link: HostLink, notices: Notices, changed: (plugin: Plugin) => void) {
    this.#link = link;
    this.#notices = notices;
    this.#changed = changed;
  }

  /** Ask for what the user has not been asked for yet. False: what was to come after it is off. */
  async askFor(plugin: Plugin): Promise<boolean> {
    const unasked = plugin.permissions.filter(
      ({ name, state }) => state === "unasked" && plugin.asks.includes(name),
    );
    if (!plugin.may_allow || unasked.length === 0) return true;
    return await this.ask(plugin, unasked);
  }

  /** Ask for these, and keep the answer. */
  async ask(plugin: Plugin, permissions: readonly Permission[]): Promise<boolean> {
    this.question.peek()?.settle(null);
    const answers = await new Promise<Answers | null>((settle) => {
      this.question.value = { plugin, permissions, settle };
    });
    if (this.question.peek()?.plugin === plugin) this.question.value = null;
    return answers !== null && (await this.answer(plugin, answers));
  }

  async answer(plugin: Plugin, answers: Answers): Promise<boolean> {
    try {
      this.#changed(await this.#link.host.answer(plugin.id, answers, plugin.terms));
      return true;
    } catch (error) {
      const text = `“${plugin.name}” is allowed what it was before: ${sentenceOf(error)}`;
      this.#notices.add({ severity: "error", text });
      return false;
    }
  }
}
