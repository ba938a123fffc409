import type { IncomingMessage } from "node:http";
import { connect, type AddressInfo } from "node:net";
import OpenAI from "openai";
import { OpenAIRealtimeWS } from "openai/realtime/ws";
import { afterAll, beforeAll, beforeEach, expect, test } from "vitest";
import { WebSocket as Client, WebSocketServer } from "ws";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";

const KEY = "sk-proj-realOpenAIKey-0123456789abcdef";
const URL_PATH = "/v1/realtime?model=gpt-realtime";
const ASKED = { type: "response.create" } as const;

let locker: LocalLocker;
let upstream: WebSocketServer;
let token: string;
let seen: IncomingMessage[];

/** As the API: greets with `session.created`, and answers a response that is asked for with its first and last event. */
beforeAll(async () => {
  locker = await usualLocker();
  upstream = new WebSocketServer({ host: "127.0.0.1", port: 0, handleProtocols: () => "realtime" });
  await new Promise((listening) => upstream.once("listening", listening));
  upstream.on("connection", (socket, request) => {
    seen.push(request);
    socket.send(
      JSON.stringify({ type: "session.created", event_id: "e1", session: { id: "sess_1", model: "gpt-realtime" } }),
    );
    socket.on("message", (message) => {
      const { type } = JSON.parse((message as Buffer).toString()) as { type: string };
      if (type !== ASKED.type) return;
      socket.send(JSON.stringify({ type: "response.output_text.delta", event_id: "e2", delta: "Good day" }));
      socket.send(
        JSON.stringify({ type: "response.done", event_id: "e3", response: { id: "r1", status: "completed" } }),
      );
    });
  });
  const { port } = upstream.address() as AddressInfo;
  const person = await newPerson(locker);
  await storeKey(person, "openai", `http://127.0.0.1:${port}`, { provider: "openai", secret: KEY });
  ({ token } = await mintToken(person));
});

beforeEach(() => {
  seen = [];
});

afterAll(async () => {
  for (const socket of upstream.clients) socket.terminate();
  upstream.close();
});

function expectRealKey(): void {
  expect(seen).toHaveLength(1);
  expect(seen[0]?.url).toBe(URL_PATH);
  expect(seen[0]?.headers.authorization).toBe(`Bearer ${KEY}`);
  expect(JSON.stringify(seen[0]?.rawHeaders)).not.toContain("alk_");
}

test("the OpenAI SDK's Realtime socket, by base URL and key only: its Authorization becomes the real key's", async () => {
  const openai = new OpenAI({ apiKey: token, baseURL: `${locker.proxyOrigin}/v1/proxy/openai/v1` });
  // The SDK speaks TLS or not at all; a local run has none, so the socket beneath it is a plain one.
  const createConnection = () => connect(Number(new URL(locker.proxyOrigin).port), "127.0.0.1");
  const realtime = new OpenAIRealtimeWS({ model: "gpt-realtime", options: { createConnection } }, openai);
  const text = await new Promise<string>((resolve, reject) => {
    let deltas = "";
    realtime.on("error", reject);
    realtime.on("session.created", () => realtime.send(ASKED));
    realtime.on("response.output_text.delta", ({ delta }) => void (deltas += delta));
    realtime.on("response.done", () => resolve(deltas));
  });
  realtime.close();
  expect(text).toBe("Good day");
  expectRealKey();
});

test("the way of browsers: the key among the subprotocols never reaches the upstream, and `realtime` is what is agreed on", async () => {
  const address = `${locker.proxyOrigin.replace("http", "ws")}/v1/proxy/openai${URL_PATH}`;
  const socket = new Client(address, ["realtime", `openai-insecure-api-key.${token}`]);
  const types = await new Promise<string[]>((resolve, reject) => {
    const heard: string[] = [];
    socket.on("error", reject);
    socket.on("message", (message) => {
      const { type } = JSON.parse((message as Buffer).toString()) as { type: string };
      heard.push(type);
      if (type === "session.created") socket.send(JSON.stringify(ASKED));
      if (type === "response.done") resolve(heard);
    });
  });
  expect(types).toEqual(["session.created", "response.output_text.delta", "response.done"]);
  expect(socket.protocol).toBe("realtime");
  socket.close();
  expectRealKey();
  expect(seen[0]?.headers["sec-websocket-protocol"]).toBe("realtime");
});
