import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { encodeFrame } from "../frames.ts";
import { WebSocketTransport } from "./websocket.ts";

/** A socket of which the test is the network. */
class FakeSocket {
  binaryType = "blob";
  bufferedAmount = 0;
  readyState: number = WebSocket.CONNECTING;
  onopen: (() => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  readonly send = vi.fn();
  readonly close = vi.fn();
}

function made() {
  const socket = new FakeSocket();
  const transport = new WebSocketTransport(socket as unknown as WebSocket);
  const listener = { frame: vi.fn(), room: vi.fn(), closed: vi.fn() };
  transport.open(listener);
  return { socket, transport, listener };
}

const FRAME = { header: Uint8Array.of(0x92, 11, 1), payload: null };

beforeEach(() => {
  vi.useFakeTimers();
});
afterEach(() => {
  vi.useRealTimers();
});

test("what is sent too early is sent when the socket opens", () => {
  const { socket, transport } = made();
  transport.send(FRAME);
  expect(socket.send).not.toHaveBeenCalled();
  socket.readyState = WebSocket.OPEN;
  socket.onopen?.();
  expect(socket.send).toHaveBeenCalledWith(encodeFrame(FRAME));
});

test("when much waits there is no room, and the listener hears when there may be", () => {
  const { socket, transport, listener } = made();
  expect(transport.hasRoom).toBe(true);
  socket.bufferedAmount = 2 << 20;
  expect([transport.hasRoom, transport.hasRoom]).toEqual([false, false]);
  vi.advanceTimersByTime(10);
  expect(listener.room).toHaveBeenCalledTimes(1);
  expect(transport.hasRoom).toBe(false);
  transport.close();
  vi.advanceTimersByTime(10);
  expect(listener.room).toHaveBeenCalledTimes(1);
});

test("frames arrive; what is none ends the link", () => {
  const { socket, listener } = made();
  socket.onmessage?.({ data: encodeFrame(FRAME).buffer });
  expect(listener.frame).toHaveBeenCalledWith(FRAME);
  const { onmessage } = socket;
  onmessage?.({ data: "a text" });
  expect(listener.closed).toHaveBeenCalledWith(
    expect.stringContaining("binary"),
    expect.objectContaining({ name: "ProtocolError" }),
  );
  expect(socket.close).toHaveBeenCalledWith(4008, expect.any(String));
  expect(socket.onmessage).toBeNull();
});

test("the end of the socket is told once, with its reason", () => {
  const { socket, listener } = made();
  const { onclose } = socket;
  onclose?.({ code: 1008, reason: "Go away." });
  onclose?.({ code: 1008, reason: "Go away." });
  expect(listener.closed.mock.calls).toEqual([["Go away."]]);
});
