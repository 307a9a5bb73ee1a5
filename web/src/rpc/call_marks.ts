/** Marked last arguments of a call: keyword arguments, and how the call is to be made. */
import type { Progress } from "./call_context.ts";

export class Keywords {
  readonly values: Readonly<Record<string, unknown>>;
  constructor(values: Readonly<Record<string, unknown>>) {
    this.values = values;
  }
}

export type CallOptions = {
  /** Aborting it gives the call up, here and on the other side. */
  readonly signal?: AbortSignal;
  readonly progress?: (progress: Progress) => void;
};

export class Options {
  readonly options: CallOptions;
  constructor(options: CallOptions) {
    this.options = options;
  }
}

/** `remote.segment(image, kwargs({ sigma: 2 }))` */
export function kwargs(values: Readonly<Record<string, unknown>>): Keywords {
  return new Keywords(values);
}

/** `remote.segment(image, options({ signal, progress }))` */
export function options(wanted: CallOptions): Options {
  return new Options(wanted);
}

export type Arguments = {
  readonly args: readonly unknown[];
  readonly kwargs: Readonly<Record<string, unknown>>;
  readonly options: CallOptions;
};

/** The marks may stand at the end, in either order. */
export function splitArguments(all: readonly unknown[]): Arguments {
  const args = [...all];
  let [kwargs, options]: [Arguments["kwargs"], CallOptions] = [{}, {}];
  for (let last = args.at(-1); ; last = args.at(-1)) {
    if (last instanceof Keywords) kwargs = { ...last.values, ...kwargs };
    else if (last instanceof Options) options = { ...last.options, ...options };
    else return { args, kwargs, options };
    args.pop();
  }
}
