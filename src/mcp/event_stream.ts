import { frameIn } from "./session_wire.ts";

/** Proxies on the way take a silent stream for dead after half a minute or more. */
const KEEP_ALIVE_MS = 15_000;

/** The socket's frames as an event stream. It ends with the last answer, with the session, or when the client leaves. */
export function eventStream(
  socket: Pick<WebSocket, "addEventListener" | "close">,
  request: Pick<Request, "signal">,
  session_id: string,
): Response {
  const encoder = new TextEncoder();
  let timer: ReturnType<typeof setInterval>;
  const end = () => {
    clearInterval(timer);
    socket.close(1000);
  };
  const body = new ReadableStream<Uint8Array>({
    start(controller) {
      const say = (text: string) => {
        try {
          controller.enqueue(encoder.encode(text));
        } catch {
          end();
        }
      };
      const finish = () => {
        end();
        try {
          controller.close();
        } catch {
          // The client had left already.
        }
      };
      // Some proxies hold the head back until the first byte.
      say(": open\n\n");
      timer = setInterval(() => say(": keep-alive\n\n"), KEEP_ALIVE_MS);
      socket.addEventListener("message", ({ data }) => {
        const frame = frameIn(data);
        if (frame === undefined) return;
        say(frame.event);
        if (frame.close === true) finish();
      });
      socket.addEventListener("close", finish);
      socket.addEventListener("error", finish);
      request.signal.addEventListener("abort", end);
    },
    cancel: end,
  });
  const headers = {
    "content-type": "text/event-stream",
    "cache-control": "no-cache, no-transform",
    "x-accel-buffering": "no",
    "mcp-session-id": session_id,
  };
  return new Response(body, { headers });
}
