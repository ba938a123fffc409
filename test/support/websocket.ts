import type { EventEmitter } from "node:events";
import type { IncomingMessage } from "node:http";
import { WebSocket, WebSocketServer, type RawData } from "ws";
import type { Upstream } from "./upstream.ts";

export type Closed = { code: number; reason: string };
export type Message = { text?: string; bytes?: Buffer };

/** Either end of a WebSocket: messages in order, and how it was closed. */
export class End {
  readonly socket: WebSocket;
  readonly closed: Promise<Closed>;
  /** The other side has said that it closes. The runtime leaves a sleeping object's connection open for a while after that. */
  readonly told: Promise<Closed>;
  readonly #messages: Message[] = [];
  readonly #waiting: ((message: Message) => void)[] = [];

  constructor(socket: WebSocket) {
    this.socket = socket;
    this.closed = new Promise((resolve) =>
      socket.on("close", (code, reason) => resolve({ code, reason: reason.toString() })),
    );
    this.told = new Promise((resolve) => {
      const listen = () =>
        (socket as unknown as { _receiver: EventEmitter })._receiver.once("conclude", (code: number, reason: Buffer) =>
          resolve({ code, reason: reason.toString() }),
        );
      if (socket.readyState === WebSocket.OPEN) listen();
      else socket.once("open", listen);
    });
    socket.on("error", () => {});
    socket.on("message", (data: RawData, binary: boolean) => {
      const bytes = data as Buffer;
      const message = binary ? { bytes } : { text: bytes.toString() };
      const waiting = this.#waiting.shift();
      if (waiting === undefined) this.#messages.push(message);
      else waiting(message);
    });
  }

  next(): Promise<Message> {
    const message = this.#messages.shift();
    return message === undefined ? new Promise((resolve) => this.#waiting.push(resolve)) : Promise.resolve(message);
  }
}

type Acceptor = { accepted(): Promise<{ end: End; request: IncomingMessage }> };

const acceptors = new WeakMap<Upstream, Acceptor>();

/** Makes an upstream take WebSockets too. `accepted` tells of the next one, with the request that asked for it. */
export function acceptWebSockets(upstream: Upstream): Acceptor {
  const known = acceptors.get(upstream);
  if (known !== undefined) return known;
  const server = new WebSocketServer({ noServer: true, maxPayload: 64 * 1024 * 1024 });
  const arrivals: { end: End; request: IncomingMessage }[] = [];
  const waiting: ((arrival: { end: End; request: IncomingMessage }) => void)[] = [];
  upstream.server.on("upgrade", (request: IncomingMessage, socket, head) => {
    server.handleUpgrade(request, socket, head, (accepted) => {
      const arrival = { end: new End(accepted), request };
      const next = waiting.shift();
      if (next === undefined) arrivals.push(arrival);
      else next(arrival);
    });
  });
  const acceptor: Acceptor = {
    accepted: () => {
      const arrival = arrivals.shift();
      return arrival === undefined ? new Promise((resolve) => waiting.push(resolve)) : Promise.resolve(arrival);
    },
  };
  acceptors.set(upstream, acceptor);
  return acceptor;
}

/** Opens a WebSocket, or answers the refusal's status and body. */
export function connect(
  url: string,
  { protocols = [], headers = {} }: { protocols?: string[]; headers?: Record<string, string> } = {},
): Promise<{ end: End; protocol: string; headers: IncomingMessage["headers"] } | { refused: number; body: string }> {
  const socket = new WebSocket(url.replace(/^http/, "ws"), protocols, { headers });
  let answered: IncomingMessage["headers"] = {};
  return new Promise((resolve, reject) => {
    const end = new End(socket);
    socket.on("upgrade", ({ headers }) => (answered = headers));
    socket.on("open", () => resolve({ end, protocol: socket.protocol, headers: answered }));
    socket.on("unexpected-response", (_request, response) => {
      const chunks: Buffer[] = [];
      response.on("data", (chunk: Buffer) => chunks.push(chunk));
      response.on("end", () => resolve({ refused: response.statusCode ?? 0, body: Buffer.concat(chunks).toString() }));
    });
    socket.on("error", reject);
  });
}
