import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as the upstream saw it. Header names are lower case; `raw_headers` keeps order and doubles. */
export type Seen = {
  method: string;
  url: string;
  headers: IncomingMessage["headers"];
  raw_headers: string[];
  body: Buffer;
};

/** How an upstream of a test answers; by default 200 and `{}`. */
export type Answerer = (request: IncomingMessage, response: ServerResponse, seen: Seen) => void | Promise<void>;

/** A server on loopback that records what reached it: tests assert on what the upstream saw. */
export type Upstream = {
  origin: string;
  seen: Seen[];
  /** Requests whose connection the caller has closed before the answer ended. */
  left: number;
  answerWith(answerer: Answerer): void;
  /** As `answerWith`, but once the head is there: the answerer reads the body itself. */
  answerAtOnce(answerer: Answerer): void;
  server: Server;
  stop(): Promise<void>;
};

export async function startUpstream(
  answerer: Answerer = (_request, response) => void response.end("{}"),
): Promise<Upstream> {
  let current = answerer;
  let at_once = false;
  // Larger than what the proxy lets through, so that its own limit is what a test sees.
  const server = createServer({ maxHeaderSize: 512 * 1024 }, (request, response) => {
    const chunks: Buffer[] = [];
    const { method = "", url = "", headers, rawHeaders } = request;
    const seen = { method, url, headers, raw_headers: rawHeaders, body: Buffer.alloc(0) };
    response.on("close", () => {
      if (!response.writableEnded) upstream.left++;
    });
    if (at_once) {
      upstream.seen.push(seen);
      return void current(request, response, seen);
    }
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("end", () => {
      seen.body = Buffer.concat(chunks);
      upstream.seen.push(seen);
      void current(request, response, seen);
    });
  });
  // The runtime takes an idle connection up again: one that is closed just then would be a fault that nobody here has made.
  server.keepAliveTimeout = 0;
  // The server forgets a connection that became a WebSocket, and would wait for it for ever.
  const sockets = new Set<Socket>();
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const upstream: Upstream = {
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    seen: [],
    left: 0,
    answerWith: (next) => {
      current = next;
      at_once = false;
    },
    answerAtOnce: (next) => {
      current = next;
      at_once = true;
    },
    server,
    stop: async () => {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
  return upstream;
}
