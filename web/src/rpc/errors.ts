/** Errors of the RPC, and errors on their way over a link: `[type, message, traceback, cause?]`. */

/** The other side said something that the protocol does not allow. It ends the session. */
export class ProtocolError extends Error {
  override readonly name: string = "ProtocolError";
}

/** The other side of a link is gone; what was pending has failed. */
export class ConnectionLost extends Error {
  override readonly name: string = "ConnectionLost";
}

/** The call was given up, by its caller or by the side that ran it. */
export class Cancelled extends Error {
  override readonly name: string = "Cancelled";
}

/** A call failed on the other side with an error that has no class here; `type` is its name there. */
export class RemoteError extends Error {
  override readonly name: string;
  readonly type: string;
  constructor(type: string, message: string, options?: ErrorOptions) {
    super(message, options);
    this.type = type;
    this.name = type;
  }
}

/** An error as it travels. */
export type ErrorParts = readonly [
  type: string,
  message: string,
  traceback: string,
  cause?: ErrorParts,
];

/** The middle of longer texts is left out, so that an error with all its causes fits a header. */
const LONGEST_TEXT = 8 << 10;
export const DEEPEST_CAUSE = 8;

const KNOWN: Readonly<Record<string, new (message: string, options?: ErrorOptions) => Error>> = {
  TypeError,
  RangeError,
  SyntaxError,
  ReferenceError,
  URIError,
  Error,
  ProtocolError,
  ConnectionLost,
  Cancelled,
};

const tracebacks = new WeakMap<Error, string>();

/** Where the error was raised on the other side, in its words; "" for an error of this side. */
export function remoteTraceback(error: unknown): string {
  return (error instanceof Error && tracebacks.get(error)) || "";
}

export function errorParts(thrown: unknown, depth = 0): ErrorParts {
  if (!(thrown instanceof Error)) return ["Error", cut(String(thrown)), ""];
  const isAbort = thrown.name === "AbortError";
  const type = thrown instanceof RemoteError ? thrown.type : isAbort ? "Cancelled" : thrown.name;
  const traceback = cut(tracebacks.get(thrown) ?? thrown.stack ?? "");
  const { cause } = thrown;
  if (!(cause instanceof Error) || depth === DEEPEST_CAUSE) {
    return [cut(type), cut(thrown.message), traceback];
  }
  return [cut(type), cut(thrown.message), traceback, errorParts(cause, depth + 1)];
}

export function errorFrom([type, message, traceback, cause]: ErrorParts): Error {
  const options = cause ? { cause: errorFrom(cause) } : {};
  const Known = Object.hasOwn(KNOWN, type) ? KNOWN[type] : undefined;
  const error = Known ? new Known(message, options) : new RemoteError(type, message, options);
  tracebacks.set(error, traceback);
  // Consoles and test runners print the stack and nothing else.
  if (traceback) error.stack += `\n\nOn the other side:\n${traceback}`;
  return error;
}

function cut(text: string): string {
  if (text.length <= LONGEST_TEXT) return text.toWellFormed();
  const half = LONGEST_TEXT / 2;
  const left = text.length - LONGEST_TEXT;
  return `${text.slice(0, half)}\n… ${left} letters …\n${text.slice(-half)}`.toWellFormed();
}
