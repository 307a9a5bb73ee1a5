import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { decodeFrame, encodeFrame } from "./frames.ts";
import { SocketStream } from "./socket_stream.ts";

class FakeSocket {
  static readonly OPEN = 1;
  static made: FakeSocket[] = [];
  binaryType = "blob";
  readyState = 0;
  sent: string[] = [];
  closed: number | undefined;
  onopen: (() => void) | null = null;
  onclose: ((event: { code: number; reason: string }) => void) | null = null;
  onmessage: ((event: { data: unknown }) => void) | null = null;
  readonly address: string;

  constructor(address: string) {
    this.address = address;
    FakeSocket.made.push(this);
  }
  send(data: Uint8Array) {
    this.sent.push(decodeFrame(data).header.type);
  }
  close(code?: number) {
    this.closed = code ?? 1000;
    this.readyState = 3;
    this.onclose?.({ code: code ?? 1000, reason: "" });
  }
  accept() {
    this.readyState = 1;
    this.onopen?.();
  }
  say(data: Uint8Array<ArrayBuffer>) {
    this.onmessage?.({ data: data.buffer });
  }
  break(code = 1006, reason = "") {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

function listen() {
  const heard: string[] = [];
  const stream = new SocketStream("ws://here/api/stream", 1000, 100);
  stream.open({
    opened: () => heard.push("opened"),
    message: (message) => heard.push(message.type),
    state: (state) => heard.push(state),
    notice: ({ text }) => heard.push(text),
  });
  return { stream, heard };
}

const latest = (): FakeSocket => {
  const socket = FakeSocket.made.at(-1);
  if (!socket) throw new Error("no socket");
  return socket;
};
const NOTICE = encodeFrame({ type: "notice", severity: "info", text: "hi" });

beforeEach(() => {
  vi.useFakeTimers();
  vi.stubGlobal("WebSocket", FakeSocket);
  FakeSocket.made = [];
});
afterEach(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
});

test("hello comes first, and what is sent without a link is dropped", () => {
  const { stream, heard } = listen();
  stream.sendLost();
  latest().accept();
  stream.sendRetry();
  latest().say(NOTICE);
  expect(latest().binaryType).toBe("arraybuffer");
  expect(latest().sent).toEqual(["hello", "retry"]);
  expect(heard).toEqual(["connecting", "open", "opened", "notice"]);
  expect(stream.received).toBe(NOTICE.length);
});

test("a lost link comes back, later and later, and at once after it worked", () => {
  const { heard } = listen();
  const delays: number[] = [];
  for (let i = 0; i < 6; i++) {
    const before = FakeSocket.made.length;
    latest().break();
    let waited = 0;
    while (FakeSocket.made.length === before) {
      vi.advanceTimersByTime(100);
      waited += 100;
    }
    delays.push(waited);
  }
  expect(delays).toEqual([500, 1000, 2000, 4000, 5000, 5000]);
  latest().accept();
  latest().say(NOTICE);
  latest().break();
  vi.advanceTimersByTime(500);
  expect(FakeSocket.made.length).toBe(8);
  expect(heard).toEqual(["connecting", "lost", "open", "opened", "notice", "lost"]);
});

test("nonsense closes the link with a sentence", () => {
  const { heard } = listen();
  latest().accept();
  latest().say(new Uint8Array([1, 2, 3]));
  expect(latest().closed).toBe(4008);
  expect(heard.at(-2)).toContain("shorter than its length field");
  expect(heard.at(-1)).toBe("lost");
});

test("a server that refuses is quoted", () => {
  const { heard } = listen();
  latest().accept();
  latest().break(1008, "A canvas says hello first.");
  expect(heard).toContain("A canvas says hello first.");
});

test("closed is closed", () => {
  const { stream, heard } = listen();
  stream.close();
  vi.advanceTimersByTime(60_000);
  expect(FakeSocket.made.length).toBe(1);
  expect(heard).toEqual(["connecting", "closed"]);
});

test("another number of slots is told by a new connection, and nothing is heard from the old one", () => {
  const { stream, heard } = listen();
  const old = latest();
  old.accept();
  stream.setSlots(2000);
  expect(old.closed).toBe(1000);
  expect(FakeSocket.made).toHaveLength(2);
  latest().accept();
  expect(latest().sent).toEqual(["hello"]);
  old.say(NOTICE);
  expect(heard).not.toContain("lost");
  expect(heard.filter((one) => one === "opened")).toHaveLength(2);
  expect(heard).not.toContain("hi");
  stream.close();
});
