/** The RPC of Opsin: call objects on the other side of a WebSocket, a frame or a worker (protocol/RPC.md). */
export { Call } from "./call.ts";
export { type CallContext, type Progress, withContext } from "./call_context.ts";
export { type CallOptions, kwargs, options } from "./call_marks.ts";
export { connect, connectPort } from "./connect.ts";
export {
  Cancelled,
  ConnectionLost,
  ProtocolError,
  RemoteError,
  remoteTraceback,
} from "./errors.ts";
export { LazyArray, type LazyOptions, lazyArray } from "./lazy_array.ts";
export { NdArray, type TypedArray } from "./ndarray.ts";
export { Peer, type PeerOptions } from "./peer.ts";
export type { Part, Region } from "./regions.ts";
export { about, keep, notify } from "./remote.ts";
export type { Received, Remote, Sent, Untyped } from "./remote_types.ts";
export { memoryLink } from "./transports/memory.ts";
export { MessagePortTransport, type Port } from "./transports/message_port.ts";
export type { Transport, TransportListener } from "./transports/transport.ts";
export { WebSocketTransport } from "./transports/websocket.ts";
export { Complex, type Reference, type RegisteredType, reference, transfer } from "./values.ts";
