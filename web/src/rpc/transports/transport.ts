/** A transport: one end of a link, that carries frames and understands nothing of them. */
import type { ProtocolError } from "../errors.ts";
import type { Frame } from "../frames.ts";

export interface Transport {
  /** Whether a buffer travels whole, because its memory can be moved. */
  readonly isWhole: boolean;
  readonly features: readonly string[];
  /** Whether pieces of buffers may be sent; otherwise the listener hears when there is room again. */
  readonly hasRoom: boolean;
  /** Once, before anything else. */
  open(listener: TransportListener): void;
  send(frame: Frame): void;
  /** End the link, after what was sent. Idempotent; the listener hears nothing more. */
  close(): void;
}

export interface TransportListener {
  frame(frame: Frame): void;
  room(): void;
  /** The link has ended; `broken` if what came is not a frame. Said once. */
  closed(reason: string, broken?: ProtocolError): void;
}
