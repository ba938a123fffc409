import { createServer, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { now } from "../clock.ts";
import type { Host } from "./host.ts";

const SMALL = JSON.stringify({
  id: "chatcmpl-bench",
  object: "chat.completion",
  created: 0,
  model: "bench",
  choices: [{ index: 0, message: { role: "assistant", content: "Hello." }, finish_reason: "stop" }],
  usage: { prompt_tokens: 9, completion_tokens: 2, total_tokens: 11 },
});
const SMALL_HEAD = { "content-type": "application/json", "content-length": Buffer.byteLength(SMALL) };
const BLOCK = Buffer.alloc(256 * 1024, "x");

/** The API behind every target: a small answer, a stream of events with the time each was sent, a large body. */
export async function serveUpstream(): Promise<Host> {
  const server = createServer((request, response) => {
    const [, what, first, second] = (request.url ?? "").split("/");
    request.resume();
    if (what === "sse") sendEvents(response, Number(first), Number(second));
    else if (what === "big") sendBytes(response, Number(first));
    else response.writeHead(200, SMALL_HEAD).end(SMALL);
  });
  // A connection is never closed for being idle: a proxy that was about to use it would show our failure as its own.
  server.keepAliveTimeout = 0;
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  const { port } = server.address() as AddressInfo;
  const stop = (): Promise<void> => {
    server.closeAllConnections();
    return new Promise((done) => server.close(() => done()));
  };
  return { says: { port }, stop };
}

/** `/sse/{chunks}/{gap in ms}/…`: spelled as OpenAI's chat completions, since gateways read them. */
function sendEvents(response: ServerResponse, chunks: number, gap_ms: number): void {
  let left = chunks;
  const send = () => {
    if (left-- > 0) response.write(event({ content: String(now()) }, null));
    else {
      clearInterval(timer);
      response.end(`${event({}, "stop")}data: [DONE]\n\n`);
    }
  };
  response.socket?.setNoDelay(true);
  response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-cache" });
  const timer = setInterval(send, gap_ms);
  response.once("close", () => clearInterval(timer));
  send();
}

function event(delta: object, finish_reason: string | null): string {
  const choices = [{ index: 0, delta, finish_reason }];
  const chunk = { id: "chatcmpl-bench", object: "chat.completion.chunk", created: 0, model: "bench", choices };
  return `data: ${JSON.stringify(chunk)}\n\n`;
}

/** `/big/{bytes}`, as fast as it is taken. */
function sendBytes(response: ServerResponse, bytes: number): void {
  let left = bytes;
  const fill = () => {
    while (left > 0) {
      const block = left < BLOCK.length ? BLOCK.subarray(0, left) : BLOCK;
      left -= block.length;
      if (!response.write(block)) return void response.once("drain", fill);
    }
    response.end();
  };
  response.writeHead(200, { "content-type": "application/octet-stream", "content-length": bytes });
  fill();
}
