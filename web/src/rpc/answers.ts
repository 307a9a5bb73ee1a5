/** Between a call and the peer that sends it. */
import type { Progress } from "./call_context.ts";

/** What a call hears of its answer. */
export type Answers = {
  /** Whether anybody still waits for it; what comes otherwise is given back. */
  readonly isWanted: boolean;
  progress(progress: Progress): void;
  item(value: unknown): void;
  result(value: unknown): void;
  error(error: unknown): void;
};

/** What can be done about a call that was sent. */
export type Sent = {
  readonly cancel: () => void;
  /** That many items were taken. */
  readonly more: (count: number) => void;
};

export type Wants = { readonly stream: boolean; readonly progress: boolean };

/** Sends a call. */
export type Launch = (answers: Answers, wants: Wants) => Sent;
