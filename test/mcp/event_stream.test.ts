import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { eventStream } from "../../src/mcp/event_stream.ts";

beforeEach(() => void vi.useFakeTimers());
afterEach(() => void vi.useRealTimers());

/** An object's end of a stream, as the router sees it. */
class Socket extends EventTarget {
  closed = false;
  close(): void {
    this.closed = true;
  }
  say(frame: object): void {
    this.dispatchEvent(new MessageEvent("message", { data: JSON.stringify({ type: "cf_mcp_agent_event", ...frame }) }));
  }
}

function opened() {
  const [socket, left] = [new Socket(), new AbortController()];
  const { body } = eventStream(socket as never, { signal: left.signal } as never, "s");
  const reader = (body as ReadableStream<Uint8Array>).getReader();
  const next = async () => {
    const { value, done } = await reader.read();
    return done ? undefined : new TextDecoder().decode(value);
  };
  return { socket, left, next };
}

it("a stream speaks at once and every fifteen seconds, so that nothing on the way takes it for dead", async () => {
  const { socket, next } = opened();
  expect(await next()).toBe(": open\n\n");
  for (let round = 0; round < 3; round++) {
    vi.advanceTimersByTime(15_000);
    expect(await next()).toBe(": keep-alive\n\n");
  }
  socket.say({ event: "data: 1\n\n" });
  expect(await next()).toBe("data: 1\n\n");
});

it("a stream ends with the last answer and with its session, and its timer with it", async () => {
  for (const end of [
    (s: Socket) => s.say({ event: "", close: true }),
    (s: Socket) => s.dispatchEvent(new Event("close")),
  ]) {
    const { socket, next } = opened();
    expect(vi.getTimerCount()).toBe(1);
    end(socket);
    expect(await next()).toBe(": open\n\n");
    while ((await next()) !== undefined);
    expect([socket.closed, vi.getTimerCount()]).toEqual([true, 0]);
  }
});

it("a client that leaves lets the object go", () => {
  const { socket, left } = opened();
  left.abort();
  expect([socket.closed, vi.getTimerCount()]).toEqual([true, 0]);
});
