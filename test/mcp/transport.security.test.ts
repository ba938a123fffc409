import * as fc from "fast-check";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { send } from "../support/holder.ts";
import {
  anotherToken,
  current,
  inVault,
  letIn,
  META,
  openSession,
  post,
  resultOf,
  type McpAnswer,
} from "../support/mcp.ts";
import { speak, statusesIn } from "../support/raw_socket.ts";
import { spoiled } from "../support/spoiled.ts";

const locker = await usualLocker();
/** How many bodies are thrown at it; `FUZZ_RUNS` asks for more. */
const RUNS = Number(process.env.FUZZ_RUNS ?? 120);

const LIST = { jsonrpc: "2.0", id: 1, method: "tools/list" };

/** How many objects hold, or ever held, something for sessions. */
function sessionObjects(): number {
  const files = readdirSync(join(locker.state.folder, "data"), { recursive: true }) as string[];
  return files.filter((file) => /McpSession.*\.sqlite$/.test(file)).length;
}

describe("whoever has no good token", () => {
  it.each(["GET", "POST", "DELETE", "PUT"])(
    "is told with 401 where to sign in, before anything about %s",
    async (method) => {
      const answer = await fetch(`${locker.publicOrigin}/v1/mcp`, { method, headers: { "mcp-session-id": "x" } });
      expect(answer.status).toBe(401);
      const challenge = answer.headers.get("www-authenticate") ?? "";
      expect(challenge).toContain(
        `resource_metadata="${locker.publicOrigin}/.well-known/oauth-protected-resource/v1/mcp"`,
      );
      expect(challenge).toContain('scope="vault:read vault:proxy vault:write"');
      expect(challenge).not.toContain("reveal");
      expect(challenge).not.toContain("error=");
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
    },
  );

  it("is told that the token is bad where one was sent, or more", async () => {
    for (const token of ["alk_oat_nonsense", "alk_oat_nonsense, Bearer alk_oat_nonsense"]) {
      const answer = await post({ url: `${locker.publicOrigin}/v1/mcp`, token }, LIST);
      expect(answer.status).toBe(401);
      expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
    }
  });

  it("is told so before anything about the body, where the token was revoked", async () => {
    const ada = await newPerson(locker);
    const { token, url, grant_id } = await letIn(locker, ada);
    await ada.api("DELETE", `/v1/grants/${grant_id}`);
    const head = { authorization: `Bearer ${token}`, "mcp-method": "tools/list", "mcp-protocol-version": "2026-07-28" };
    const sent: [string, string][] = [
      ["text/plain", "hello"],
      ["application/json", "{"],
      ["application/json", " ".repeat(2 * 1024 * 1024)],
    ];
    for (const [type, body] of sent)
      expect((await fetch(url, { method: "POST", headers: { ...head, "content-type": type }, body })).status).toBe(401);
  });

  it("gets in with no other kind of token, nor with one in the URL", async () => {
    const ada = await newPerson(locker);
    const { token } = await letIn(locker, ada);
    const app = await mintToken(ada);
    const session = ada.cookie.slice(ada.cookie.indexOf("alk_ses_"));
    const url = `${locker.publicOrigin}/v1/mcp`;
    for (const other of [app.token, session, await anotherToken(locker, ada, "", "ort")])
      expect((await post({ url, token: other }, LIST)).status).toBe(401);
    const inUrl = await fetch(`${url}?access_token=${token}&token=${token}`, { method: "POST", body: "{}" });
    expect(inUrl.status).toBe(401);
    expect((await fetch(url, { method: "POST", body: "{}", headers: { cookie: ada.cookie } })).status).toBe(401);
  });

  it("learns nothing by what is answered in one step, and leaves no row of a call", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "secret-name", "http://127.0.0.1:9");
    const reading = { name: "list_keys", arguments: {} };
    const mine = await letIn(locker, ada);
    const forged = { ...mine, token: spoiled(mine.token) };
    for (const answer of [await current(forged, "tools/call", reading), await current(forged, "tools/list")])
      expect([answer.status, answer.text.includes("secret-name")]).toEqual([401, false]);

    const gone = await letIn(locker, ada);
    await ada.api("DELETE", `/v1/grants/${gone.grant_id}`);
    for (const answer of [await current(gone, "tools/call", reading), await current(gone, "tools/list")])
      expect([answer.status, answer.text.includes("secret-name")]).toEqual([401, false]);

    // Its head says one thing, its body another: the SDK refuses that, and the vault is not asked for it.
    const params = { ...reading, _meta: META };
    const heads = { "mcp-protocol-version": "2026-07-28", "mcp-method": "tools/call", "mcp-name": "list_tokens" };
    const crossed = await post(mine, { jsonrpc: "2.0", id: 1, method: "tools/call", params }, heads);
    expect([crossed.status, crossed.text.includes("secret-name")]).toEqual([400, false]);

    await ada.api("POST", "/v1/vault/freeze");
    for (const answer of [await current(mine, "tools/call", reading), await current(mine, "tools/list")])
      expect([answer.status, answer.text.includes("secret-name")]).toEqual([423, false]);
    const rows = await inVault<{ n: number }>(
      locker,
      ada,
      "SELECT count(*) AS n FROM audit WHERE decision ->> 'action' = 'tool.call'",
    );
    expect(rows).toEqual([{ n: 0 }]);
  });

  it("is refused once the grant is gone, in words that a client understands", async () => {
    const ada = await newPerson(locker);
    const client = await letIn(locker, ada);
    expect((await current(client, "tools/list")).status).toBe(200);
    await ada.api("DELETE", `/v1/grants/${client.grant_id}`);
    const answer = await current(client, "tools/list");
    expect(answer.status).toBe(401);
    expect(answer.headers.get("www-authenticate")).toContain('error="invalid_token"');
  });
});

describe("pages in a browser", () => {
  it.each([
    ["http://evil.example.com", 403],
    ["https://evil.example.com", 403],
    ["null", 403],
    ["http://localhost:6274", 200],
    ["http://127.0.0.1:6274", 200],
  ])("from %s are answered %i on one machine", async (origin, status) => {
    const client = await letIn(locker, await newPerson(locker));
    const answer = await post(client, { jsonrpc: "2.0", id: 1, method: "initialize", params: INIT }, { origin });
    expect(answer.status).toBe(status);
  });

  it("from the proxy's own origin are refused, where upstream content might run", async () => {
    const client = await letIn(locker, await newPerson(locker));
    expect((await post(client, LIST, { origin: locker.proxyOrigin })).status).toBe(403);
  });

  it("may ask what they may send without a token, and may read what a client needs to read", async () => {
    const origin = "http://localhost:6274";
    const asked = { origin, "access-control-request-method": "POST" };
    const preflight = await fetch(`${locker.publicOrigin}/v1/mcp`, { method: "OPTIONS", headers: asked });
    expect(preflight.status).toBe(204);
    const allowed = preflight.headers.get("access-control-allow-headers") ?? "";
    for (const name of [
      "Authorization",
      "Mcp-Session-Id",
      "Mcp-Method",
      "Mcp-Name",
      "MCP-Protocol-Version",
      "Last-Event-ID",
      "*",
    ])
      expect(allowed).toContain(name);
    const refused = await fetch(`${locker.publicOrigin}/v1/mcp`, { method: "POST", headers: { origin } });
    expect(refused.status).toBe(401);
    expect(refused.headers.get("access-control-allow-origin")).toBe(origin);
    expect(refused.headers.get("access-control-expose-headers")).toContain("WWW-Authenticate");
    expect(refused.headers.has("access-control-allow-credentials")).toBe(false);
  });

  it("cannot get in by a name that leads here", async () => {
    const { token } = await letIn(locker, await newPerson(locker));
    const headers = { host: "rebound.example", authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await send(`${locker.publicOrigin}/v1/mcp`, { method: "POST", headers, body: JSON.stringify(LIST) });
    expect(answer.status).toBe(421);
  });
});

function namesIn(answer: McpAnswer): string[] {
  return (resultOf(answer) as { tools: { name: string }[] }).tools.map(({ name }) => name);
}

const INIT = { protocolVersion: "2025-11-25", capabilities: {}, clientInfo: { name: "t", version: "1" } };

describe("a body", () => {
  it("is counted as it arrives, whatever its length is said to be", async () => {
    const { token, url } = await letIn(locker, await newPerson(locker));
    const chunk = new Uint8Array(64 * 1024).fill(32);
    let sent = 0;
    const body = new ReadableStream<Uint8Array>({
      pull: (controller) => (sent++ < 40 ? controller.enqueue(chunk) : controller.close()),
    });
    const headers = { authorization: `Bearer ${token}`, "content-type": "application/json" };
    const answer = await fetch(url, { method: "POST", headers, body, duplex: "half" } as RequestInit);
    expect(answer.status).toBe(413);
  });

  it("whose length is said beside chunks is counted all the same (RFC 9112 §6.1)", async () => {
    const { token, url } = await letIn(locker, await newPerson(locker));
    const { host, pathname } = new URL(url);
    const head = [
      `POST ${pathname} HTTP/1.1`,
      `Host: ${host}`,
      `Authorization: Bearer ${token}`,
      "Content-Type: application/json",
      "Content-Length: 4",
      "Transfer-Encoding: chunked",
    ];
    const chunk = `10000\r\n${" ".repeat(0x10000)}\r\n`;
    const heard = await speak(locker.publicOrigin, `${head.join("\r\n")}\r\n\r\n${chunk.repeat(40)}0\r\n\r\n`);
    expect(statusesIn(heard)).toEqual([413]);
  });

  it("of almost a mebibyte is taken, in both eras", async () => {
    const client = await letIn(locker, await newPerson(locker));
    const filler = "x".repeat(1_000_000);
    const session = await openSession(client);
    const args = { name: "list_keys", arguments: { q: filler } };
    expect((await session.request("tools/call", args)).text).toContain("invalid_request");
    expect((await current(client, "tools/call", args)).text).toContain("invalid_request");
  });

  it.each([
    ["not JSON", "{", 400],
    ["an empty batch", "[]", 400],
    ["no JSON-RPC", '{"hello":1}', 400],
    ["a batch without end", JSON.stringify(Array.from({ length: 50 }, () => LIST)), 400],
  ])("that is %s is refused", async (_what, body, status) => {
    const { token, url } = await letIn(locker, await newPerson(locker));
    const headers = {
      authorization: `Bearer ${token}`,
      "content-type": "application/json",
      accept: "application/json, text/event-stream",
    };
    expect((await fetch(url, { method: "POST", headers, body })).status).toBe(status);
  });

  it("is answered with what nobody on the way may keep, and nobody takes for something else", async () => {
    const client = await letIn(locker, await newPerson(locker));
    const session = await openSession(client);
    for (const answer of [
      await session.request("tools/list"),
      await session.request("tools/list", { cursor: "x" }),
      await current(client, "tools/list"),
      await current(client, "resources/list"),
      await current(client, "no/such"),
      await post(client, { hello: 1 }),
    ]) {
      expect(answer.headers.get("x-content-type-options")).toBe("nosniff");
      expect(answer.headers.get("cache-control")).toMatch(/^no-(store|cache, no-transform)$/);
    }
  });

  it("of any JSON or none is answered in the protocol's own words or refused: never with a fault, and never by silence", async () => {
    const ada = await newPerson(locker);
    const client = await letIn(locker, ada);
    const methods = fc.constantFrom(
      "tools/list",
      "tools/call",
      "initialize",
      "ping",
      "resources/read",
      "x",
      "__proto__",
      "",
    );
    const message = fc.record(
      {
        jsonrpc: fc.oneof(fc.constant("2.0"), fc.jsonValue()),
        id: fc.oneof(fc.constantFrom(1, "a", null, 1.5, -0), fc.jsonValue()),
        method: fc.oneof(methods, fc.jsonValue()),
        params: fc.oneof(fc.constantFrom({}, [], null, { name: "list_keys", arguments: [] }), fc.jsonValue()),
      },
      { requiredKeys: [] },
    );
    const body = fc.oneof(
      { weight: 4, arbitrary: message.map((one) => JSON.stringify(one)) },
      { weight: 1, arbitrary: fc.array(message, { maxLength: 25 }).map((many) => JSON.stringify(many)) },
      { weight: 1, arbitrary: fc.json() },
      { weight: 1, arbitrary: fc.string() },
      { weight: 1, arbitrary: message.map((one) => JSON.stringify(one).slice(0, -1)) },
      { weight: 1, arbitrary: fc.nat(2_000).map((deep) => "[".repeat(deep) + "]".repeat(deep)) },
    );
    const version = fc.constantFrom<Record<string, string>>(
      {},
      { "mcp-protocol-version": "2026-07-28" },
      { "mcp-protocol-version": "x" },
    );
    await fc.assert(
      fc.asyncProperty(body, version, async (text, more) => {
        const answer = await fetch(client.url, {
          method: "POST",
          headers: {
            authorization: `Bearer ${client.token}`,
            "content-type": "application/json",
            accept: "application/json, text/event-stream",
            ...more,
          },
          body: text,
        });
        const said = await answer.text();
        expect([text, answer.status >= 500]).toEqual([text, false]);
        expect(said).not.toMatch(/\bat .*\.(ts|js):\d+|TypeError|SyntaxError/);
        if (answer.status === 202) {
          expect(said).toBe("");
          return;
        }
        const [first = "{}"] =
          said.startsWith("{") || said.startsWith("[") ? [said] : [/^data: (.+)$/m.exec(said)?.[1]];
        expect(JSON.parse(first)).toBeTypeOf("object");
      }),
      { numRuns: RUNS },
    );
  });

  it("of another type is refused", async () => {
    const { token, url } = await letIn(locker, await newPerson(locker));
    const headers = { authorization: `Bearer ${token}`, "content-type": "text/plain" };
    expect((await fetch(url, { method: "POST", headers, body: JSON.stringify(LIST) })).status).toBe(415);
  });
});

describe("a session's id", () => {
  it("is given for a hello that can be answered, and nothing is made for any other", async () => {
    const [ada, before] = [await newPerson(locker), sessionObjects()];
    const client = await letIn(locker, ada);
    for (const hello of [
      { id: 1, params: {} },
      { id: 1, params: { ...INIT, capabilities: 5 } },
      { id: 1, params: { ...INIT, protocolVersion: undefined } },
      { params: INIT },
    ]) {
      const answer = await post(client, { jsonrpc: "2.0", method: "initialize", ...hello });
      expect([answer.status, answer.headers.get("mcp-session-id")]).toEqual([400, null]);
    }
    expect(sessionObjects()).toBe(before);
    expect(await inVault(locker, ada, "SELECT 1 FROM mcp_session")).toEqual([]);
  });

  it("that nobody opened is 404, and nothing is made for it", async () => {
    const client = await letIn(locker, await newPerson(locker));
    const before = sessionObjects();
    for (const id of ["nope", "x".repeat(32), "../../etc", "00000000000000000000000000000000"]) {
      expect((await post(client, LIST, { "mcp-session-id": id })).status).toBe(404);
      for (const method of ["GET", "DELETE"]) {
        const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", "mcp-session-id": id };
        expect((await fetch(client.url, { method, headers })).status).toBe(404);
      }
    }
    expect(sessionObjects()).toBe(before);
  });

  it("is worth nothing to another person, nor to another client of the same person", async () => {
    const [ada, eve] = await Promise.all([newPerson(locker, "ada"), newPerson(locker, "eve")]);
    await storeKey(ada, "adas-key", "http://127.0.0.1:9");
    const [client, other, stranger] = [await letIn(locker, ada), await letIn(locker, ada), await letIn(locker, eve)];
    const session = await openSession(client);
    for (const thief of [other, stranger]) {
      const [asThief, reading] = [session.as(thief.token), { name: "list_keys", arguments: {} }];
      for (const params of [reading, { ...reading, more: true }])
        for (const answer of [await asThief.request("tools/list"), await asThief.request("tools/call", params)])
          expect([answer.status, answer.text.includes("adas-key")]).toEqual([404, false]);
      for (const method of ["GET", "DELETE"]) {
        const headers = { authorization: `Bearer ${thief.token}`, accept: "text/event-stream", ...session.headers };
        expect((await fetch(client.url, { method, headers })).status).toBe(404);
      }
    }
    expect(resultOf(await session.request("tools/list"))).toHaveProperty("tools");
    for (const one of [ada, eve])
      expect(await inVault(locker, one, "SELECT 1 FROM audit WHERE decision ->> 'action' = 'tool.call'")).toEqual([]);
  });

  it("serves each request with that request's own rights, whoever opened it", async () => {
    const ada = await newPerson(locker);
    const client = await letIn(locker, ada);
    const session = await openSession(client);
    expect(namesIn(await session.request("tools/list"))).toContain("list_keys");
    const narrow = await anotherToken(locker, ada, client.grant_id, "oat", ["vault:proxy"]);
    expect(namesIn(await session.as(narrow).request("tools/list"))).not.toContain("list_keys");
    await storeKey(ada, "secret-name", "http://127.0.0.1:9");
    const reading = { name: "list_keys", arguments: {} };
    expect(resultOf(await session.as(narrow).request("tools/call", reading))).toMatchObject({ isError: true });
    // Once it has ended, it is nobody's.
    await fetch(client.url, {
      method: "DELETE",
      headers: { authorization: `Bearer ${client.token}`, ...session.headers },
    });
    expect((await session.request("tools/call", reading)).status).toBe(404);
  });

  it("says nothing where a client of today sends one: it has none", async () => {
    const client = await letIn(locker, await newPerson(locker));
    const stray = { "mcp-session-id": "nope", "mcp-protocol-version": "2026-07-28" };
    for (const [method, params] of [
      ["tools/list", {}],
      ["tools/call", { name: "list_keys", arguments: {} }],
      ["prompts/list", {}],
    ] as const) {
      const head = { ...stray, "mcp-method": method, ...("name" in params ? { "mcp-name": params.name } : {}) };
      const message = { jsonrpc: "2.0", id: 1, method, params: { ...params, _meta: META } };
      const answer = await post(client, message, head);
      expect(resultOf(answer)).toMatchObject({ resultType: "complete" });
      expect(answer.headers.has("mcp-session-id")).toBe(false);
    }
    for (const method of ["GET", "DELETE"]) {
      const headers = { authorization: `Bearer ${client.token}`, accept: "text/event-stream", ...stray };
      expect((await fetch(client.url, { method, headers })).status).toBe(405);
    }
  });

  it("without a name, GET and DELETE have nothing to act on", async () => {
    const { token, url } = await letIn(locker, await newPerson(locker));
    for (const method of ["GET", "DELETE", "PUT"]) {
      const headers = { authorization: `Bearer ${token}`, accept: "text/event-stream" };
      const answer = await fetch(url, { method, headers });
      expect(answer.status).toBe(405);
      expect(answer.headers.get("allow")).toContain("POST");
    }
  });
});
