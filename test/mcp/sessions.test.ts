import { Client as OldClient } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as OldTransport } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import { expect, it } from "vitest";
import { newPerson, storeKey, usualLocker } from "../support/locker.ts";
import {
  anotherToken,
  evictSession,
  inVault,
  letIn,
  openSession,
  openStream,
  post,
  remainsOf,
  resultOf,
} from "../support/mcp.ts";

const locker = await usualLocker();

type Receipt = { sessions_closed: number; streams_cut: number };

it.each(["2025-11-25", "2025-06-18", "2025-03-26"])("a client of %s opens one, lists and calls", async (version) => {
  const ada = await newPerson(locker);
  await storeKey(ada, "openai", "http://127.0.0.1:9");
  const session = await openSession(await letIn(locker, ada), { version });
  expect(resultOf(session.answer)).toMatchObject({ protocolVersion: version, serverInfo: { name: "apilocker" } });
  const { tools } = resultOf(await session.request("tools/list")) as { tools: { name: string }[] };
  expect(tools.map(({ name }) => name)).toContain("list_keys");
  const called = resultOf(await session.request("tools/call", { name: "list_keys", arguments: {} }));
  expect(called.structuredContent).toMatchObject({ items: [{ name: "openai" }] });
});

it("it survives sleep, eviction and a deploy, with its open stream still open where the platform lets it", async () => {
  const client = await letIn(locker, await newPerson(locker));
  const session = await openSession(client);
  const stream = await openStream(client, session);
  expect(stream.status).toBe(200);
  for (let n = 0; n < 3; n++) {
    await session.request("ping");
    await evictSession(locker, session.id, "hibernate");
    expect(resultOf(await session.request("prompts/list"))).toHaveProperty("prompts");
  }
  const state = await Promise.race([stream.ended.then(() => "ended"), session.request("ping").then(() => "open")]);
  expect(state).toBe("open");
  // A deploy breaks streams; the session is there for whoever comes back.
  await evictSession(locker, session.id, "close");
  await stream.ended;
  expect(resultOf(await session.request("prompts/list"))).toHaveProperty("prompts");
  const again = await openStream(client, session);
  expect(again.status).toBe(200);
  again.leave();
});

it("the server speaks on one stream of it, the newest: what an older one was for goes on by itself", async () => {
  const client = await letIn(locker, await newPerson(locker));
  const session = await openSession(client);
  const first = await openStream(client, session);
  const second = await openStream(client, session);
  await first.ended;
  const third = await openStream(client, session);
  await second.ended;
  third.leave();

  // The SDK's client opens its stream anew when another has taken its place; and so does that one lose it, however often.
  const sdk = new OldClient({ name: "test", version: "1" });
  const transport = new OldTransport(new URL(client.url), {
    requestInit: { headers: { authorization: `Bearer ${client.token}` } },
    reconnectionOptions: {
      initialReconnectionDelay: 1,
      maxReconnectionDelay: 1,
      reconnectionDelayGrowFactor: 1,
      maxRetries: 5,
    },
  });
  await sdk.connect(transport);
  const headers = { "mcp-session-id": transport.sessionId ?? "", "mcp-protocol-version": "2025-11-25" };
  for (let times = 0; times < 3; times++) await (await openStream(client, { headers })).ended;
  expect((await sdk.listTools()).tools.map(({ name }) => name)).toContain("list_keys");
  await sdk.close();
});

it("it goes on after the client has refreshed its token", async () => {
  const ada = await newPerson(locker);
  const client = await letIn(locker, ada);
  const session = await openSession(client);
  const refreshed = session.as(await anotherToken(locker, ada, client.grant_id));
  expect(resultOf(await refreshed.request("tools/list"))).toHaveProperty("tools");
});

it("revoking the grant closes it and its stream within a second, tells so in the receipt, and leaves nothing behind", async () => {
  const ada = await newPerson(locker);
  const client = await letIn(locker, ada);
  const sessions = [await openSession(client), await openSession(client)];
  const streams = await Promise.all(sessions.map((session) => openStream(client, session)));
  const receipt = await ada.api<Receipt>("DELETE", `/v1/grants/${client.grant_id}`);
  expect(receipt.sessions_closed).toBe(2);
  await Promise.all(streams.map(({ ended }) => ended));
  for (const session of sessions) {
    expect((await session.request("tools/list")).status).toBe(401);
    expect(await remainsOf(locker, session.id)).toEqual([]);
  }
  expect(await inVault(locker, ada, "SELECT * FROM mcp_session")).toEqual([]);
});

it("narrowing the grant ends it: the client opens another and sees what is left", async () => {
  const ada = await newPerson(locker);
  const client = await letIn(locker, ada);
  const session = await openSession(client);
  const stream = await openStream(client, session);
  await ada.api("PATCH", `/v1/grants/${client.grant_id}`, { scopes: ["vault:proxy"] });
  await stream.ended;
  expect((await session.request("tools/list")).status).toBe(404);
  const next = await openSession(client);
  const { tools } = resultOf(await next.request("tools/list")) as { tools: { name: string }[] };
  expect(tools.map(({ name }) => name)).not.toContain("list_keys");
});

it("a client that says goodbye leaves nothing behind", async () => {
  const client = await letIn(locker, await newPerson(locker));
  const session = await openSession(client);
  const headers = { authorization: `Bearer ${client.token}`, ...session.headers };
  expect((await fetch(client.url, { method: "DELETE", headers })).status).toBe(204);
  expect(await remainsOf(locker, session.id)).toEqual([]);
  expect((await session.request("tools/list")).status).toBe(404);
  expect((await fetch(client.url, { method: "DELETE", headers })).status).toBe(404);
});

it("of more than fifty the longest unused makes way", async () => {
  const ada = await newPerson(locker);
  const client = await letIn(locker, ada);
  const first = await openSession(client);
  const second = await openSession(client);
  await inVault(
    locker,
    ada,
    "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 48) INSERT INTO mcp_session (id, holder_id, created_at, seen_at) SELECT 'filler' || i, ?, ?, ? FROM n",
    client.grant_id,
    Date.now(),
    Date.now(),
  );
  await inVault(locker, ada, "UPDATE mcp_session SET seen_at = seen_at - 1000 WHERE id = ?", first.id);
  const last = await openSession(client);
  expect((await first.request("tools/list")).status).toBe(404);
  expect((await second.request("tools/list")).status).toBe(200);
  expect((await last.request("tools/list")).status).toBe(200);
});

it("several messages at once are taken where the client's revision has that, and refused in words elsewhere", async () => {
  const client = await letIn(locker, await newPerson(locker));
  const pings = [1, 2].map((id) => ({ jsonrpc: "2.0", id, method: "ping" }));
  for (const [version, status] of [
    ["2025-03-26", 200],
    ["2025-06-18", 400],
    ["2025-11-25", 400],
  ] as const) {
    const { headers } = await openSession(client, { version });
    const answer = await post(client, pings, headers);
    expect([version, answer.status]).toEqual([version, status]);
    const ids = answer.messages.map(({ id }) => id);
    if (status === 200) expect(ids.toSorted()).toEqual([1, 2]);
    else
      expect(answer.messages).toMatchObject([{ error: { code: -32_600, message: expect.stringContaining("batch") } }]);
    const params = { protocolVersion: version, capabilities: {}, clientInfo: { name: "test", version: "1" } };
    expect((await post(client, [{ jsonrpc: "2.0", id: 0, method: "initialize", params }])).status).toBe(400);
  }
});
