import { execFile } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { createRequire } from "node:module";
import type { AddressInfo } from "node:net";
import { dirname, join } from "node:path";
import { tmpdir } from "node:os";
import { createInterface } from "node:readline";
import { PassThrough, type Readable, type Writable } from "node:stream";
import { promisify } from "node:util";
import { Client as ClientV2 } from "@modelcontextprotocol/client";
import { StdioClientTransport as StdioV2 } from "@modelcontextprotocol/client/stdio";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StdioClientTransport as StdioV1 } from "@modelcontextprotocol/sdk/client/stdio.js";
import { afterAll, beforeAll, describe, expect, it, onTestFinished } from "vitest";
import { Bridge } from "../../src/cli/bridge/bridge.ts";
import { Upstream as Far } from "../../src/cli/bridge/upstream.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { bundle, Computer } from "../support/cli.ts";
import { eventually, newPerson, startLocker, storeKey, portsOf } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const vars = { MCP_CONFORMANCE_FIXTURES: "true" };
let stateDir: string;
let locker: LocalLocker;
let upstream: Upstream;
let path: string;
beforeAll(async () => {
  stateDir = await mkdtemp(join(tmpdir(), "apilocker-bridge-"));
  [locker, upstream, path] = await Promise.all([startLocker({ vars, stateDir }), startUpstream(() => {}), bundle()]);
});
afterAll(async () => {
  await Promise.all([locker.stop(), upstream.stop()]);
  await rm(stateDir, { recursive: true, force: true });
});

const PERSON = { name: "test", version: "1" };
const MODERN = "2026-07-28";
const meta = {
  "io.modelcontextprotocol/protocolVersion": MODERN,
  "io.modelcontextprotocol/clientCapabilities": {},
  "io.modelcontextprotocol/clientInfo": PERSON,
};

async function signedIn() {
  const [ada, computer] = [await newPerson(locker), new Computer()];
  const key = await storeKey(ada, "mine", upstream.origin);
  const device = await computer.signIn(locker, ada, { keys: [key.id] });
  const server = {
    command: process.execPath,
    args: [path, "mcp"],
    env: { PATH: process.env.PATH ?? "", HOME: computer.home },
  };
  return { ada, computer, device, key, server };
}

type Heard = {
  id?: number | string | null;
  method?: string;
  result?: Record<string, unknown>;
  error?: { code: number; message: string };
};

/** A bridge whose lines a test reads and writes itself. */
class Wire {
  readonly lines: Heard[] = [];
  readonly #input: Writable;
  readonly #ended: Promise<unknown>;
  #heard = Promise.withResolvers<void>();

  constructor(input: Writable, output: Readable, ended: Promise<unknown>) {
    this.#input = input;
    this.#ended = ended;
    // A line that is no JSON would be an exception that nobody catches.
    createInterface({ input: output }).on("line", (line) => {
      this.lines.push(JSON.parse(line) as Heard);
      this.#heard.resolve();
      this.#heard = Promise.withResolvers();
    });
  }

  write(text: string): void {
    this.#input.write(text);
  }

  say(message: object): void {
    this.write(`${JSON.stringify({ jsonrpc: "2.0", ...message })}\n`);
  }

  async hear(wanted: (line: Heard) => boolean): Promise<Heard> {
    for (;;) {
      const found = this.lines.find(wanted);
      if (found !== undefined) return found;
      const ended = this.#ended.then(() => Promise.reject(new Error("the bridge ended")));
      await Promise.race([this.#heard.promise, ended]);
    }
  }

  async ask(id: number, method: string, params: object = {}): Promise<Heard> {
    this.say({ id, method, params });
    return this.hear((line) => line.id === id);
  }

  async end(): Promise<unknown> {
    this.#input.end();
    return this.#ended;
  }
}

/** The command, as clients start it. */
async function commandOn(computer: Computer): Promise<Wire> {
  const child = await computer.start(["mcp"]);
  return new Wire(
    child.stdin!,
    child.stdout!,
    once(child, "close").then(([code]) => code as number),
  );
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

  it.each(["legacy", "auto"] as const)(
    "carries questions, progress, news and cancelling for the SDK's newest client, %s",
    async (mode) => {
      const { ada, key, server } = await signedIn();
      const changed = Promise.withResolvers<void>();
      const client = new ClientV2(PERSON, {
        versionNegotiation: { mode },
        capabilities: { elicitation: { form: {} } },
        listChanged: { tools: { onChanged: () => changed.resolve() } },
      });
      const asked: string[] = [];
      client.setRequestHandler("elicitation/create", ({ params }) => {
        asked.push(params.message);
        return { action: "accept", content: { confirm: true, response: "yes" } };
      });
      await client.connect(new StdioV2(server));
      onTestFinished(() => client.close());
      // Heard by the message, not by the call: the SDK forgets whom to tell as soon as it reads the answer, and on a busy machine it
      // reads both at once.
      const seen: number[] = [];
      client.setNotificationHandler("notifications/progress", ({ params }) => void seen.push(params.progress));
      await client.callTool({ name: "test_tool_with_progress", arguments: {} }, { onprogress: () => {} });
      expect(seen).toEqual([0, 50, 100]);
      if (mode === "auto") {
        await client.callTool({ name: "test_trigger_tool_change", arguments: {} });
        await changed.promise;
      }
      const stop = new AbortController();
      const call = client.callTool(
        { name: "proxy_request", arguments: { key: "mine", path: `/hang/${key.id}` } },
        { signal: stop.signal },
      );
      await eventually(() => Promise.resolve(upstream.seen.some(({ url }) => url === `/hang/${key.id}`)));
      const before = upstream.left;
      stop.abort();
      await expect(call).rejects.toThrow();
      // Today's era cancels by hanging up, which the local runtime notices at its next write only; that the bridge does is shown below.
      if (mode === "legacy") await eventually(() => Promise.resolve(upstream.left > before));
      await client.callTool({ name: "delete_key", arguments: { key: "mine" } });
      expect(asked).toEqual([expect.stringContaining('Delete the key "mine"?')]);
      expect((await ada.fetch(`/v1/keys/${key.id}`)).status).toBe(404);
    },
  );

  it("is called by the Inspector as any program of this computer", async () => {
    const { server } = await signedIn();
    const at = dirname(createRequire(import.meta.url).resolve("@modelcontextprotocol/inspector/package.json"));
    const { bin } = JSON.parse(readFileSync(join(at, "package.json"), "utf8")) as { bin: Record<string, string> };
    const asked = ["--cli", server.command, ...server.args, "--method", "tools/call", "--tool-name", "list_keys"];
    const env = { ...server.env, MCP_INSPECTOR_SECRET_STORE: "file" } as unknown as NodeJS.ProcessEnv;
    const ran = await promisify(execFile)(process.execPath, [join(at, bin["mcp-inspector"] ?? ""), ...asked], { env });
    expect(ran.stdout).toContain("mine");
  });

  it("says nothing but JSON-RPC, answers what is no message, and ends when its client does", async () => {
    const { computer } = await signedIn();
    const wire = await commandOn(computer);
    wire.write("this is no message\n\n");
    expect(await wire.hear((line) => line.id === null)).toMatchObject({ error: { code: -32_700 } });
    expect(await wire.ask(1, "tools/list", { _meta: meta })).toMatchObject({ result: { resultType: "complete" } });
    expect(await wire.ask(2, "no/such", { _meta: meta })).toMatchObject({ error: { code: -32_601 } });
    expect(await wire.end()).toBe(0);
  });

  it("tells a client in so many words that its device was revoked", async () => {
    const { ada, device, computer } = await signedIn();
    const wire = await commandOn(computer);
    expect(await wire.ask(1, "tools/list", { _meta: meta })).toHaveProperty("result");
    await ada.api("DELETE", `/v1/devices/${device.id}`);
    const refused = await wire.ask(2, "tools/list", { _meta: meta });
    expect(refused.error).toMatchObject({ code: 401, message: expect.stringContaining("apilocker login") });
    await computer.signIn(locker, ada);
    expect(await wire.ask(3, "tools/list", { _meta: meta })).toHaveProperty("result");
  });

  it("answers whoever asked, also where the whole request is refused and the answer names no id", async () => {
    const { ada, computer } = await signedIn();
    const wire = await commandOn(computer);
    const reveal = { name: "reveal_key", arguments: { key: "mine" }, _meta: meta };
    const scopeless = await wire.ask(1, "tools/call", reveal);
    expect(scopeless.error).toMatchObject({ code: 403, message: expect.stringContaining("vault:reveal") });
    await ada.api("POST", "/v1/vault/freeze");
    const frozen = await wire.ask(2, "tools/list", { _meta: meta });
    expect(frozen.error?.message).toContain("frozen");
    wire.say({ method: "notifications/initialized" });
    expect((await wire.ask(3, "ping")).error?.message).toContain("frozen");
    await wire.end();
    expect(wire.lines.map(({ id }) => id)).toEqual([1, 2, 3]);
  });

  it("hurts no other bridge that runs beside it", async () => {
    const { computer } = await signedIn();
    const wires = await Promise.all(Array.from({ length: 3 }, () => commandOn(computer)));
    const answers = await Promise.all(wires.map((wire) => wire.ask(1, "tools/list", { _meta: meta })));
    for (const answer of answers) expect(answer).toHaveProperty("result");
    expect(await wires[0]!.end()).toBe(0);
    expect(await wires[1]!.ask(2, "tools/list", { _meta: meta })).toHaveProperty("result");
  });

  it("goes on through a restart of the locker, in a session and without, and its clients need not know", async () => {
    const { computer } = await signedIn();
    const [session, plain] = [await commandOn(computer), await commandOn(computer)];
    await session.ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: PERSON });
    session.say({ method: "notifications/initialized" });
    expect(await session.ask(2, "tools/list")).toHaveProperty("result");
    expect(await plain.ask(2, "tools/list", { _meta: meta })).toHaveProperty("result");
    const ports = portsOf(locker);
    await locker.stop();
    const call = { name: "list_keys", arguments: {} };
    const asked = [session.ask(3, "tools/call", call), plain.ask(3, "tools/call", { ...call, _meta: meta })];
    locker = await startLocker({ vars, stateDir, ...ports });
    for (const answer of await Promise.all(asked)) expect(JSON.stringify(answer.result)).toContain("mine");
    expect(await session.end()).toBe(0);
    expect(await plain.end()).toBe(0);
  });
});

type Seen = { method: string; headers: IncomingMessage["headers"]; message: { id?: number; method?: string } };
type Serve = (seen: Seen, response: ServerResponse) => void;

/** A server of which a test says how it behaves. */
async function fakeServer(
  serve: Serve,
): Promise<{ seen: Seen[]; port: number; stop: () => void; start: () => Promise<void> }> {
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
  return { seen, port, stop, start };
}

const json = (response: ServerResponse, body: object, headers = {}) =>
  response
    .writeHead(200, { "content-type": "application/json", ...headers })
    .end(JSON.stringify({ jsonrpc: "2.0", ...body }));

/** A bridge in this very process: the command adds nothing here but the time that it takes to start. */
function startBridge({ port }: { port: number }): Wire {
  const [input, output] = [new PassThrough(), new PassThrough()];
  const upstream = new Far({ url: `http://127.0.0.1:${port}`, token: () => Promise.resolve("alk_dev_x") });
  return new Wire(input, output, new Bridge(upstream, output, () => {}).run(input));
}

describe("the bridge, before a server in trouble", () => {
  it("repeats in headers what a modern message says, in an encoding where a header could not", async () => {
    const { seen, ...server } = await fakeServer(({ message }, response) =>
      json(response, { id: message.id, result: {} }),
    );
    const wire = startBridge(server);
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
    const wire = startBridge(server);
    await wire.ask(1, "tools/list", { _meta: meta });
    server.stop();
    const asked = [wire.ask(2, "tools/list", { _meta: meta }), wire.ask(3, "tools/call", { name: "x", _meta: meta })];
    await new Promise((resolve) => setTimeout(resolve, 700));
    await server.start();
    for (const answer of await Promise.all(asked)) expect(answer).toHaveProperty("result");
  });

  it("does not call a tool twice when the connection breaks under it, and says so", async () => {
    const { seen, ...server } = await fakeServer(({ message }, response) => {
      if (message.method === "tools/call") response.destroy();
      else json(response, { id: message.id, result: {} });
    });
    const wire = startBridge(server);
    const lost = await wire.ask(1, "tools/call", { name: "delete_key", _meta: meta });
    expect(lost.error?.message).toContain("not known");
    expect(seen.filter(({ message }) => message.method === "tools/call")).toHaveLength(1);
  });

  it("begins a session again that the server has lost, behind its client's back", async () => {
    let sessions = 0;
    const { seen, ...server } = await fakeServer(({ method, headers, message }, response) => {
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
    const wire = startBridge(server);
    await wire.ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: PERSON });
    wire.say({ method: "notifications/initialized" });
    expect((await wire.ask(2, "tools/list")).result).toEqual({ session: "s1", version: "2025-11-25" });
    expect((await wire.ask(3, "tools/list")).result).toEqual({ session: "s2", version: "2025-11-25" });
    expect(wire.lines.filter(({ id }) => id === "apilocker-again")).toEqual([]);
    await wire.end();
    expect(seen.at(-1)).toMatchObject({ method: "DELETE", headers: { "mcp-session-id": "s2" } });
  });

  it("passes progress, questions and streams through, and lets go of a modern request that is cancelled", async () => {
    const gone = Promise.withResolvers<void>();
    const server = await fakeServer(({ message }, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const event = (body: object) =>
        response.write(`: keep-alive\n\nid: 1\ndata: ${JSON.stringify({ jsonrpc: "2.0", ...body })}\n\n`);
      event({ method: "notifications/progress", params: { progressToken: message.id, progress: 1 } });
      if (message.method === "subscriptions/listen") response.on("close", () => gone.resolve());
      else event({ id: message.id, result: { resultType: "input_required" } });
    });
    const wire = startBridge(server);
    expect((await wire.ask(1, "tools/call", { name: "x", _meta: meta })).result).toEqual({
      resultType: "input_required",
    });
    expect(wire.lines[0]?.method).toBe("notifications/progress");
    wire.say({ id: 2, method: "subscriptions/listen", params: { _meta: meta } });
    await wire.hear((line) => line.method === "notifications/progress" && wire.lines.indexOf(line) > 1);
    wire.say({ method: "notifications/cancelled", params: { requestId: 2, _meta: meta } });
    await gone.promise;
    expect(wire.lines.some(({ id }) => id === 2)).toBe(false);
    await wire.end();
  });

  it("takes up a session's stream where it broke off, when it was told to, and calls nothing twice", async () => {
    const { seen, ...server } = await fakeServer(({ method, headers, message }, response) => {
      if (message.method === "initialize")
        return json(
          response,
          { id: message.id, result: { protocolVersion: "2025-11-25", capabilities: {} } },
          { "mcp-session-id": "s" },
        );
      if (method === "GET" && headers["last-event-id"] === undefined) return void response.writeHead(405).end();
      response.writeHead(200, { "content-type": "text/event-stream" });
      if (method === "POST") return void response.end("id: 7\nretry: 10\ndata:\n\n");
      response.end(`id: 8\ndata: ${JSON.stringify({ jsonrpc: "2.0", id: 2, result: { done: true } })}\n\n`);
    });
    const wire = startBridge(server);
    await wire.ask(1, "initialize", { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: PERSON });
    expect((await wire.ask(2, "tools/call", { name: "slow" })).result).toEqual({ done: true });
    expect(seen.map(({ method, headers }) => [method, headers["last-event-id"]])).toEqual([
      ["POST", undefined],
      ["POST", undefined],
      ["GET", "7"],
    ]);
  });

  it("repeats what a tool wants in headers, and leaves out a tool that asks for it wrongly", async () => {
    const tool = (name: string, properties: object) => ({ name, inputSchema: { type: "object", properties } });
    const listed = [
      tool("fine", {
        region: { type: "string", "x-mcp-header": "Region" },
        deep: { type: "object", properties: { on: { type: "boolean", "x-mcp-header": "On" } } },
        "x-mcp-header": { type: "string", default: { "x-mcp-header": 1 } },
      }),
      tool("twice", { a: { type: "string", "x-mcp-header": "A" }, b: { type: "string", "x-mcp-header": "a" } }),
      tool("spaced", { a: { type: "string", "x-mcp-header": "a b" } }),
      tool("number", { a: { type: "number", "x-mcp-header": "A" } }),
      tool("listed", { a: { type: "array", items: { type: "string", "x-mcp-header": "A" } } }),
    ];
    const { seen, ...server } = await fakeServer(({ message }, response) =>
      json(response, { id: message.id, result: message.method === "tools/list" ? { tools: listed } : {} }),
    );
    const wire = startBridge(server);
    const { result } = await wire.ask(1, "tools/list", { _meta: meta });
    expect(result?.tools).toEqual([listed[0]]);
    const given = { region: "zürich", deep: { on: true }, "x-mcp-header": "no" };
    await wire.ask(2, "tools/call", { name: "fine", arguments: given, _meta: meta });
    await wire.ask(3, "tools/call", { name: "fine", arguments: { region: null }, _meta: meta });
    const sent = seen.map(({ headers }) =>
      Object.fromEntries(Object.entries(headers).filter(([name]) => name.startsWith("mcp-param-"))),
    );
    const region = `=?base64?${Buffer.from("zürich").toString("base64")}?=`;
    expect(sent).toEqual([{}, { "mcp-param-region": region, "mcp-param-on": "true" }, {}]);
  });
});
