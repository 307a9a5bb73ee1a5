/** What a function that is called from afar may know of its call. */

export type CallContext = {
  /** Aborted when the caller gives up or is gone. */
  readonly signal: AbortSignal;
  /** Tells the caller how far it has come; heard where the caller asked for it. */
  readonly progress: (done?: number | null, total?: number | null, text?: string | null) => void;
};

export type Progress = {
  readonly done: number | null;
  readonly total: number | null;
  readonly text: string | null;
};

const withContexts = new WeakSet<object>();

/** Marks a function that wants the context of its call before its other arguments. */
export function withContext<A extends readonly unknown[], R>(
  run: (context: CallContext, ...args: A) => R,
): (...args: A) => R {
  // A wrapper, so that a function that is used in both ways stays as it was.
  const marked = (...all: unknown[]) => Reflect.apply(run, undefined, all) as R;
  withContexts.add(marked);
  return marked as unknown as (...args: A) => R;
}

export function takesContext(run: object): boolean {
  return withContexts.has(run);
}
