import type { ChildProcess } from "node:child_process";
import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { createInterface } from "node:readline";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { bundle, Computer } from "../support/cli.ts";
import { newPerson, startLocker, storeKey } from "../support/locker.ts";

let locker: LocalLocker;
let path: string;
beforeAll(async () => {
  [locker, path] = await Promise.all([startLocker(), bundle()]);
});
afterAll(() => locker.stop());

const PERSON = { name: "test", version: "1" };
const MODERN = "2026-07-28";
const meta = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": PERSON,
};

async function signedIn() {
  const [ada, computer] = [await newPerson(locker), new Computer()];
  await storeKey(ada, "mine", "https://api.example.com");
  const device = await computer.signIn(locker, ada);
  const server = {
    command: process.execPath,
    args: [path, "mcp"],
    env: { PATH: process.env.PATH ?? "", HOME: computer.home },
  };
  return { ada, computer, device, server };
}

type Heard = {
  id?: number | string | null;
  method?: string;
  result?: Record<string, unknown>;
  error?: { code: number; message: string };
};

/** A bridge whose lines a test reads and writes itself. */
class Wire {
  readonly #child: ChildProcess;
  readonly lines: Heard[] = [];
  readonly raw: string[] = [];
  #heard = Promise.withResolvers<void>();

  constructor(child: ChildProcess) {
    this.#child = child;
    createInterface({ input: child.stdout! }).on("line", (line) => {
      this.raw.push(line);
      this.lines.push(JSON.parse(line) as Heard);
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
  }

  say(message: object): void {
    this.#child.stdin?.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  async hear(wanted: (line: Heard) => boolean): Promise<Heard> {
    for (;;) {
      const found = this.lines.find(wanted);
      if (found !== undefined) return found;
      await Promise.race([
        this.#heard.promise,
        once(this.#child, "exit").then(() => Promise.reject(new Error("the bridge ended"))),
      ]);
    }
  }

  async ask(id: number, method: string, params: object = {}): Promise<Heard> {
    this.say({ id, method, params });
    return this.hear((line) => line.id === id);
  }

  async end(): Promise<number> {
    this.#child.stdin?.end();
    const [code] = (await once(this.#child, "close")) as [number];
    return code;
  }
}

describe("the bridge, before the real server", () => {
  it("serves the SDK's client of sessions", async () => {
    const { server } = await signedIn();
    const client = new ClientV1(PERSON);
    await client.connect(new StdioV1(server));
    onTestFinished(() => client.close());
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("list_keys");
    const { content } = await client.callTool({ name: "list_keys", arguments: {} });
    expect(JSON.stringify(content)).toContain("mine");
  });

  it.each(["legacy", "auto"] as const)("serves the SDK's newest client, %s", async (mode) => {
    const { server } = await signedIn();
    const client = new ClientV2(PERSON, { versionNegotiation: { mode } });
    await client.connect(new StdioV2(server));
    onTestFinished(() => client.close());
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("list_keys");
    const answer = await client.callTool({ name: "list_keys", arguments: {} });
    expect(JSON.stringify(answer)).toContain("mine");
  });

  it("says nothing but JSON-RPC, answers what is no message, and ends when its client does", async () => {
    const { computer } = await signedIn();
    const wire = new Wire(await computer.start(["mcp"]));
    const child = wire;
    const started = await computer.start(["mcp"]);
    const raw = new Wire(started);
    started.stdin?.write("this is no message\n\n");
    expect(await raw.hear((line) => line.id === null)).toMatchObject({ error: { code: -32_700 } });
    expect(await raw.ask(1, "tools/list", { _meta: meta })).toMatchObject({ result: { resultType: "complete" } });
    expect(await raw.ask(2, "no/such", { _meta: meta })).toMatchObject({ error: { code: -32_601 } });
    expect(await raw.end()).toBe(0);
    expect(await child.end()).toBe(0);
  });

  it("tells a client in so many words that its device was revoked", async () => {
    const { ada, device, computer } = await signedIn();
    const wire = new Wire(await computer.start(["mcp"]));
    expect(await wire.ask(1, "tools/list", { _meta: meta })).toHaveProperty("result");
    await ada.api("DELETE", `/v1/devices/${device.id}`);
    const refused = await wire.ask(2, "tools/list", { _meta: meta });
    expect(refused.error).toMatchObject({ code: 401, message: expect.stringContaining("apilocker login") });
    await computer.signIn(locker, ada);
    expect(await wire.ask(3, "tools/list", { _meta: meta })).toHaveProperty("result");
  });

  it("hurts no other bridge that runs beside it", async () => {
    const { computer } = await signedIn();
    const wires = await Promise.all(Array.from({ length: 4 }, async () => new Wire(await computer.start(["mcp"]))));
    const answers = await Promise.all(wires.map((wire) => wire.ask(1, "tools/list", { _meta: meta })));
    for (const answer of answers) expect(answer).toHaveProperty("result");
    expect(await wires[0]!.end()).toBe(0);
    expect(await wires[1]!.ask(2, "tools/list", { _meta: meta })).toHaveProperty("result");
  });
});

type Seen = { method: string; headers: IncomingMessage["headers"]; message: { id?: number; method?: string } };
type Serve = (seen: Seen, response: ServerResponse) => void;

/** A server of which a test says how it behaves. */
async function fakeServer(
  serve: Serve,
): Promise<{ seen: Seen[]; computer: Computer; port: number; stop: () => void; start: () => Promise<void> }> {
  const seen: Seen[] = [];
  let server: Server;
  let port = 0;
  const start = async () => {
    server = createServer((request, response) => {
      let text = "";
      request.on("data", (chunk: Buffer) => (text += chunk.toString()));
      request.on("end", () => {
        const one = {
          method: request.method ?? "",
          headers: request.headers,
          message: (text === "" ? {} : JSON.parse(text)) as Seen["message"],
        };
        seen.push(one);
        serve(one, response);
      });
    });
    await new Promise<void>((resolve) => server.listen(port, "127.0.0.1", resolve));
    port = (server.address() as AddressInfo).port;
  };
  const stop = () => {
    server.closeAllConnections();
    server.close();
  };
  await start();
  onTestFinished(stop);
  return { seen, computer: new Computer(), port, stop, start };
}

const json = (response: ServerResponse, body: object, headers = {}) =>
  response
    .writeHead(200, { "content-type": "application/json", ...headers })
    .end(JSON.stringify({ jsonrpc: "2.0", ...body }));
const startBridge = async (computer: Computer, port: number) =>
  new Wire(
    await computer.start(["mcp"], { env: { APILOCKER_TOKEN: "alk_dev_x", APILOCKER_URL: `http://127.0.0.1:${port}` } }),
  );

describe("the bridge, before a server in trouble", () => {
  it("repeats in headers what a modern message says, in an encoding where a header could not", async () => {
    const { seen, computer, port } = await fakeServer(({ message }, response) =>
      json(response, { id: message.id, result: {} }),
    );
    const wire = await startBridge(computer, port);
    await wire.ask(1, "tools/call", { name: "get_key", _meta: meta });
    await wire.ask(2, "resources/read", { uri: "locker://keys/schlüssel", _meta: meta });
    expect(seen[0]?.headers).toMatchObject({
      "mcp-protocol-version": MODERN,
      "mcp-method": "tools/call",
      "mcp-name": "get_key",
      authorization: "Bearer alk_dev_x",
    });
    expect(seen[1]?.headers["mcp-name"]).toBe(
      `=?base64?${Buffer.from("locker://keys/schlüssel").toString("base64")}?=`,
    );
  });

  it("waits for one that restarts, and asks again what does no harm", async () => {
    const server = await fakeServer(({ message }, response) =>
      json(response, { id: message.id, result: { n: message.id } }),
    );
    const wire = await startBridge(server.computer, server.port);
    await wire.ask(1, "tools/list", { _meta: meta });
    server.stop();
    const asked = [wire.ask(2, "tools/list", { _meta: meta }), wire.ask(3, "tools/call", { name: "x", _meta: meta })];
    await new Promise((resolve) => setTimeout(resolve, 700));
    await server.start();
    for (const answer of await Promise.all(asked)) expect(answer).toHaveProperty("result");
  });

  it("does not call a tool twice when the connection breaks under it, and says so", async () => {
    const { seen, computer, port } = await fakeServer(({ message }, response) => {
      if (message.method === "tools/call") response.destroy();
      else json(response, { id: message.id, result: {} });
    });
    const wire = await startBridge(computer, port);
    const lost = await wire.ask(1, "tools/call", { name: "delete_key", _meta: meta });
    expect(lost.error?.message).toContain("not known");
    expect(seen.filter(({ message }) => message.method === "tools/call")).toHaveLength(1);
  });

  it("begins a session again that the server has lost, behind its client's back", async () => {
    let sessions = 0;
    const { seen, computer, port } = await fakeServer(({ method, headers, message }, response) => {
      if (method !== "POST") return void response.writeHead(405).end();
      if (message.method === "initialize")
        return void json(
          response,
          { id: message.id, result: { protocolVersion: "2025-11-25", capabilities: {} } },
          { "mcp-session-id": `s${++sessions}` },
        );
      if (headers["mcp-session-id"] !== `s${sessions}` || (sessions === 1 && message.id === 3))
        return void response.writeHead(404).end();
      if (message.id === undefined) return void response.writeHead(202).end();
      json(response, {
        id: message.id,
        result: { session: headers["mcp-session-id"], version: headers["mcp-protocol-version"] },
      });
    });
    const wire = await startBridge(computer, port);
    await wire.ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: PERSON });
    wire.say({ method: "notifications/initialized" });
    expect((await wire.ask(2, "tools/list")).result).toEqual({ session: "s1", version: "2025-11-25" });
    expect((await wire.ask(3, "tools/list")).result).toEqual({ session: "s2", version: "2025-11-25" });
    expect(wire.lines.filter(({ id }) => id === "apilocker-again")).toEqual([]);
    expect(await wire.end()).toBe(0);
    expect(seen.at(-1)).toMatchObject({ method: "DELETE", headers: { "mcp-session-id": "s2" } });
  });

  it("passes progress, questions and streams through, and lets go of a modern request that is cancelled", async () => {
    const gone = Promise.withResolvers<void>();
    const { computer, port } = await fakeServer(({ message }, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = (body: object) =>
        response.write(`: keep-alive\n\nid: 1\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...body })}\n\n`);
      event({ method: "notifications/progress", params: { progressToken: message.id, progress: 1 } });
      if (message.method === "subscriptions/listen") response.on("close", () => gone.resolve());
      else event({ id: message.id, result: { resultType: "input_required" } });
    });
    const wire = await startBridge(computer, port);
    expect((await wire.ask(1, "tools/call", { name: "x", _meta: meta })).result).toEqual({
      resultType: "input_required",
    });
    expect(wire.lines[0]?.method).toBe("notifications/progress");
    wire.say({ id: 2, method: "subscriptions/listen", params: { _meta: meta } });
    await wire.hear((line) => line.method === "notifications/progress" && wire.lines.indexOf(line) > 1);
    wire.say({ method: "notifications/cancelled", params: { requestId: 2, _meta: meta } });
    await gone.promise;
    expect(wire.lines.some(({ id }) => id === 2)).toBe(false);
    expect(await wire.end()).toBe(0);
  });
});
