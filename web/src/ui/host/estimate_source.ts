/** What the run that a form describes would need, asked for when things are quiet. */
import { effect, type ReadonlySignal, signal } from "@preact/signals";
import { options } from "../../rpc/call_marks.ts";
import { sentenceOf } from "../errors.ts";
import type { HostLink } from "./host_link.ts";
import type { Estimate, RunRequest } from "./host_service.ts";

export type EstimateState = {
  /** The newest that is known, maybe of an earlier request. */
  readonly estimate: Estimate | null;
  readonly problem: string | null;
  readonly isAsking: boolean;
};

const QUIET_MS = 250;
const NOTHING: EstimateState = { estimate: null, problem: null, isAsking: false };

export class EstimateSource {
  readonly state = signal<EstimateState>(NOTHING);
  readonly #link: HostLink;
  readonly #stop: () => void;
  /** What the state is the answer to. */
  #answered = "";

  /** `learned`: changes when the host may know better than before. */
  constructor(
    link: HostLink,
    request: ReadonlySignal<RunRequest | null>,
    learned: ReadonlySignal<number>,
  ) {
    this.#link = link;
    this.#stop = effect(() =>
      this.#follow(request.value, learned.value, link.state.value === "open"),
    );
  }

  dispose(): void {
    this.#stop();
  }

  #follow(request: RunRequest | null, learned: number, isOpen: boolean): (() => void) | undefined {
    if (!request || !isOpen) {
      this.#answered = "";
      this.state.value = NOTHING;
      return undefined;
    }
    const key = JSON.stringify([learned, request]);
    if (key === this.#answered) {
      this.state.value = { ...this.state.peek(), isAsking: false };
      return undefined;
    }
    this.state.value = { ...this.state.peek(), isAsking: true };
    const control = new AbortController();
    const timer = setTimeout(() => this.#ask(request, key, control.signal), QUIET_MS);
    return () => {
      clearTimeout(timer);
      control.abort();
    };
  }

  async #ask(request: RunRequest, key: string, signal: AbortSignal): Promise<void> {
    let answer: Pick<EstimateState, "estimate" | "problem">;
    try {
      const estimate = await this.#link.host.estimate(request, options({ signal }));
      answer = { estimate, problem: null };
    } catch (error) {
      answer = { estimate: null, problem: sentenceOf(error) };
    }
    if (signal.aborted) return;
    this.#answered = key;
    this.state.value = { ...answer, isAsking: false };
  }
}
