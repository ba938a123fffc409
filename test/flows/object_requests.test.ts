import type { ServerResponse } from "node:http";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { newHolder, opened, type Holder } from "../support/holder.ts";
import { eventually, newPerson, storeKey } from "../support/locker.ts";
import { call, current, letIn, openSession, resultOf } from "../support/mcp.ts";
import { questions, startNotingLocker } from "../support/questions.ts";

/** Each request to an object costs the caller its time and us its price: how many a call takes is a promise (issue 12). */
let locker: LocalLocker;
beforeAll(async () => {
  locker = await startNotingLocker();
});
afterAll(() => locker.stop());

describe("a proxied call", () => {
  it("is one question while calls follow each other: how one ended rides with the next", async () => {
    const holder = await newHolder(locker);
    await holder.call("/");
    await questions(locker, holder);
    const began = Date.now();
    for (let i = 0; i < 10; i++) expect((await holder.call("/")).status).toBe(200);
    const asked = await questions(locker, holder);
    expect(asked.filter((method) => method === "authorize")).toHaveLength(10);
    // On a machine so slow that they do not follow each other, one goes alone each quarter of a second.
    expect(asked.length - 10).toBeLessThanOrEqual(1 + (Date.now() - began) / 250);
    expect(new Set(asked)).not.toContain("fetch");
  });

  it("alone is two, and so is a stream on a leash", async () => {
    const holder = await newHolder(locker);
    await questions(locker, holder);
    await holder.call("/");
    expect(await askedUntil(holder, "settle")).toEqual(["authorize", "settle"]);

    const streaming = Promise.withResolvers<ServerResponse>();
    holder.upstream.answerWith((_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" }).write("data: first\n\n");
      streaming.resolve(response);
    });
    const stream = await opened(holder, "/stream");
    const asked = await askedUntil(holder, "fetch");
    (await streaming.promise).end();
    for await (const _chunk of stream);
    await holder.row("/stream");
    asked.push(...(await questions(locker, holder)));
    expect(asked.filter((method) => CALLS.has(method))).toEqual(["authorize", "fetch"]);
  });
});

describe("an outcome that the vault could not be told", () => {
  it("is told again, though nobody calls any more", async () => {
    const holder = await newHolder(locker);
    const object = { name: holder.token.slice(10, 34) };
    const storage = await locker.miniflare.unsafeGetDurableObjectStorage("apilocker", "UserVault", object);
    await storage.exec("CREATE TABLE broken AS SELECT 1");
    await storage.exec(
      `CREATE TRIGGER breaks_once BEFORE UPDATE ON audit WHEN EXISTS (SELECT 1 FROM broken)
       BEGIN DELETE FROM broken; SELECT RAISE(FAIL, 'broken'); END`,
    );
    expect((await holder.call("/late")).status).toBe(200);
    await askedUntil(holder, "settle", 2);
    expect(await holder.row("/late")).toMatchObject({ outcome: "ok", status: 200 });
  });
});

/** What calls ask; a test that looks at the activity asks more. */
const CALLS = new Set(["authorize", "settle", "fetch"]);

async function askedUntil(holder: Holder, method: string, times = 1): Promise<string[]> {
  const asked: string[] = [];
  await eventually(async () => {
    asked.push(...(await questions(locker, holder)));
    return asked.filter((each) => each === method).length >= times;
  });
  return asked;
}

describe("a request to the MCP server", () => {
  it("of today is one question where it lists or reads, and three where a tool does more", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "openai", "http://127.0.0.1:9");
    const client = await letIn(locker, ada);
    await questions(locker, client);
    resultOf(await current(client, "tools/list"));
    expect(await questions(locker, client)).toEqual(["greet"]);
    for (const [name, given] of [
      ["list_keys", {}],
      ["get_key_metadata", { key: "openai" }],
      ["list_tokens", {}],
      ["list_clients", {}],
      ["list_devices", {}],
      ["run_doctor", {}],
    ] as const) {
      expect((await call(client, name, given)).error, name).toBeUndefined();
      expect(await questions(locker, client), name).toEqual(["readForTool"]);
    }
    await call(client, "pause_key", { key: "openai" });
    expect(await questions(locker, client)).toEqual(["greet", "pauseKey", "recordTool"]);
  });

  it("in a session is one question too, and its own object sleeps on; one more where a tool does more", async () => {
    const ada = await newPerson(locker);
    await storeKey(ada, "openai", "http://127.0.0.1:9");
    const client = await letIn(locker, ada);
    const session = await openSession(client);
    await questions(locker, client);
    resultOf(await session.request("tools/list"));
    expect(await questions(locker, client)).toEqual(["greet"]);
    resultOf(await session.request("tools/call", { name: "list_keys", arguments: {} }));
    expect(await questions(locker, client)).toEqual(["readForTool"]);
    resultOf(await session.request("tools/call", { name: "pause_key", arguments: { key: "openai" } }));
    expect(await questions(locker, client)).toEqual(["greet", "pauseKey", "recordTool"]);
  });
});
