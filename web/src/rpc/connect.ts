/** Ways to get a peer. */
import { Peer, type PeerOptions } from "./peer.ts";
import { MessagePortTransport, type Port } from "./transports/message_port.ts";
import { WebSocketTransport } from "./transports/websocket.ts";

/** A peer over a WebSocket, after it was let in. */
export async function connect(address: string | URL, options: PeerOptions = {}): Promise<Peer> {
  const peer = new Peer(new WebSocketTransport(new WebSocket(address)), options);
  await peer.opened;
  return peer;
}

/** A peer over one port of a channel: to a frame, to a worker, or from the inside of one. */
export function connectPort(port: Port, options: PeerOptions = {}): Peer {
  return new Peer(new MessagePortTransport(port), options);
}
