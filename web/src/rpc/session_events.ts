/** What goes into a session and what comes out of it. Types, and the limits that both kinds of calls share. */
import type { ErrorParts } from "./errors.ts";
import type { Packed } from "./message_fields.ts";
import type { Message } from "./messages.ts";
import type { OutgoingBytes } from "./outbox.ts";

/** Open at the same time, in each direction. */
export const MOST_CALLS = 65_536;
/** The items of a stream that may be sent before the caller asks for more. */
export const FIRST_ITEMS = 8;
export const CANCELLED: ErrorParts = ["Cancelled", "The call was cancelled.", ""];

/** A value as the codec made it. */
export type Encoded = {
  readonly packed: Packed;
  readonly buffers: readonly OutgoingBytes[];
  /** Called if the message never arrives whole while the link lives. */
  readonly undo: () => void;
};
export type EncodedCall = Omit<Message<"call">, "type" | "id" | "buffers"> &
  Omit<Encoded, "packed">;

type WithBuffers<M> = Omit<M, "buffers"> & { readonly buffers: readonly ArrayBuffer[] };

export type Event =
  | { readonly type: "ready"; readonly features: readonly string[] }
  /** A call to start; one to give up; a stream that may go on. */
  | WithBuffers<Message<"call">>
  | Message<"cancel">
  | Message<"more">
  /** Of this side's own calls. */
  | WithBuffers<Message<"result">>
  | WithBuffers<Message<"item">>
  | Message<"error">
  | Message<"progress">
  | Message<"release" | "pong" | "bye">;

export function sizesOf(buffers: readonly OutgoingBytes[]): number[] {
  return buffers.map(({ bytes }) => bytes.length);
}
