import OpenAI from "openai";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { activity, eventually, mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { inVault } from "../support/mcp.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;
beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startUpstream();
});
afterAll(() => upstream.stop());

type Spend = {
  items: { model: string; calls: number; estimated: number; usd: number; output_tokens: number }[];
  total_usd: number;
};

/** Somebody with an OpenAI key at a stand-in, and a token with a budget. gpt-4o: 2.50 dollars in, 10 out, a million. */
async function spender(spend: object): Promise<{ ada: Person; openai: OpenAI; id: string; token: string }> {
  const ada = await newPerson(locker);
  await ada.api("POST", "/v1/keys", {
    name: "openai",
    provider: "openai",
    secret: "sk-0123456789abcdef",
    base_url: upstream.origin,
  });
  const { id, token } = await mintToken(ada, { spend });
  const openai = new OpenAI({ baseURL: `${locker.proxyOrigin}/v1/proxy/openai/v1`, apiKey: token, maxRetries: 0 });
  return { ada, openai, id, token };
}

const spent = (ada: Person) => ada.api<Spend>("GET", "/v1/spend");
const ask = (openai: OpenAI, more: object = {}) =>
  openai.chat.completions.create({
    model: "gpt-4o",
    max_tokens: 100,
    messages: [{ role: "user", content: "Hi" }],
    ...more,
  });

function answerWith(completion_tokens: number, prompt_tokens = 1_000): void {
  upstream.answerWith((_request, response) => {
    const usage = { prompt_tokens, completion_tokens, total_tokens: prompt_tokens + completion_tokens };
    const choices = [{ index: 0, message: { role: "assistant", content: "Hello" }, finish_reason: "stop" }];
    response.writeHead(200, { "content-type": "application/json" });
    response.end(JSON.stringify({ id: "c", object: "chat.completion", model: "gpt-4o-2024-08-06", choices, usage }));
  });
}

describe("a budget", () => {
  it("is charged what the answer says, and ends the calls when it is spent, until the day is over", async () => {
    const { ada, openai, id } = await spender({ usd_per_day: 0.03 });
    // 1,000 in and 1,000 out: 1.25 cents.
    answerWith(1_000);
    for (let n = 0; n < 3; n++) {
      expect((await ask(openai)).choices[0]?.message.content).toBe("Hello");
      await eventually(async () => (await spent(ada)).items[0]?.calls === n + 1);
    }
    expect(await spent(ada)).toMatchObject({
      items: [{ token: id, model: "gpt-4o-2024-08-06", calls: 3, estimated: 0, usd: 0.0375, output_tokens: 3_000 }],
      total_usd: 0.0375,
    });
    const before = upstream.seen.length;
    const refused = await ask(openai).catch(
      (error: unknown) => error as { status: number; headers: Headers; code: string },
    );
    expect(refused).toMatchObject({ status: 429, code: "rate_limited" });
    const wait = Number((refused as { headers: Headers }).headers.get("retry-after"));
    expect(wait).toBeGreaterThan(0);
    expect(wait).toBeLessThanOrEqual(86_400);
    expect(upstream.seen.length).toBe(before);
    const row = (await activity(ada)).find(({ outcome }) => outcome === "refused");
    expect(row).toMatchObject({ rule: "spend" });
    expect((await activity(ada)).find(({ outcome }) => outcome === "ok")).toBeDefined();
    expect(
      (await activity(ada)).find(({ action, outcome }) => action === "proxy.call" && outcome === "ok"),
    ).toMatchObject({ usd: 0.0125 });
  });

  it("counts a stream that says what it took, and passes every chunk on as it comes", async () => {
    const { ada, openai } = await spender({ usd_per_month: 5 });
    const heard = Promise.withResolvers<void>();
    upstream.answerWith(async (_request, response) => {
      response.writeHead(200, { "content-type": "text/event-stream" });
      const chunk = (more: object) =>
        `data: ${JSON.stringify({ id: "c", model: "gpt-4o", object: "chat.completion.chunk", choices: [], ...more })}\n\n`;
      response.write(chunk({ choices: [{ index: 0, delta: { content: "Hel" } }] }));
      // The next is not sent before the first has arrived: somebody who waited for more would wait for ever.
      await heard.promise;
      response.write(chunk({ choices: [{ index: 0, delta: { content: "lo" } }] }));
      response.end(
        `${chunk({ usage: { prompt_tokens: 2_000, completion_tokens: 500, total_tokens: 2_500 } })}data: [DONE]\n\n`,
      );
    });
    const stream = await openai.chat.completions.create({
      model: "gpt-4o",
      stream: true,
      messages: [{ role: "user", content: "Hi" }],
    });
    let text = "";
    for await (const { choices } of stream) {
      text += choices[0]?.delta.content ?? "";
      heard.resolve();
    }
    expect(text).toBe("Hello");
    const { items } = await eventually(async () => ((await spent(ada)).items.length > 0 ? spent(ada) : undefined));
    expect(items).toMatchObject([{ model: "gpt-4o", calls: 1, estimated: 0, usd: 0.01 }]);
  });

  it("is charged the most that it may have been where the answer does not say, and says so", async () => {
    const { ada, openai } = await spender({ usd_per_day: 1 });
    upstream.answerWith((_request, response) => {
      response.writeHead(200, { "content-type": "application/json" });
      response.end(JSON.stringify({ id: "c", object: "chat.completion", model: "gpt-4o", choices: [] }));
    });
    await ask(openai, { max_tokens: 1_000 });
    const { items } = await eventually(async () => ((await spent(ada)).items.length > 0 ? spent(ada) : undefined));
    expect(items).toMatchObject([{ calls: 1, estimated: 1 }]);
    // At least its thousand tokens of output, and not much more than that and the request.
    expect(items[0]?.usd).toBeGreaterThanOrEqual(0.01);
    expect(items[0]?.usd).toBeLessThan(0.012);
  });

  it("is charged the most for a stream that its client leaves, whatever that has said of itself so far", async () => {
    const { ada } = await spender({ usd_per_day: 10 });
    await ada.api("POST", "/v1/keys", {
      name: "claude",
      provider: "anthropic",
      secret: "sk-ant-0123456789",
      base_url: upstream.origin,
    });
    await ada.api("POST", "/v1/prices", { provider: "anthropic", model: "claude-haiku-4-5", input: 0, output: 1_000 });
    const { token } = await mintToken(ada, { spend: { usd_per_day: 10 } });
    upstream.answerWith((_request, response) => {
      const event = (type: string, data: object) => `event: ${type}\ndata: ${JSON.stringify({ type, ...data })}\n\n`;
      const usage = { input_tokens: 25, output_tokens: 1 };
      response.writeHead(200, { "content-type": "text/event-stream" });
      response.write(event("message_start", { message: { model: "claude-haiku-4-5", usage } }));
      response.write(event("content_block_delta", { index: 0, delta: { type: "text_delta", text: "All of it." } }));
      // That somebody has left is seen when something is written to them.
      const tick = setInterval(() => response.write(event("ping", {})), 20);
      response.on("close", () => clearInterval(tick));
    });
    const leave = new AbortController();
    const answer = await fetch(`${locker.proxyOrigin}/v1/proxy/claude/v1/messages`, {
      method: "POST",
      headers: { "x-api-key": token, "content-type": "application/json" },
      body: JSON.stringify({ model: "claude-haiku-4-5", max_tokens: 2_000, stream: true, messages: [] }),
      signal: leave.signal,
    });
    let heard = "";
    const reader = answer.body?.getReader();
    while (!heard.includes("All of it.")) heard += new TextDecoder().decode((await reader?.read())?.value);
    leave.abort();
    const { items } = await eventually(async () => ((await spent(ada)).items.length > 0 ? spent(ada) : undefined));
    expect(items).toMatchObject([{ model: "claude-haiku-4-5", calls: 1, estimated: 1 }]);
    // All two thousand tokens that it might have been.
    expect(items[0]?.usd).toBeGreaterThanOrEqual(2);
  });

  it("pays nothing for what the provider refuses, nor for calls that are not to models", async () => {
    const { ada, openai, token } = await spender({ usd_per_day: 1 });
    upstream.answerWith(
      (_request, response) =>
        response.writeHead(400, { "content-type": "application/json" }).end(`{"error":{"message":"no"}}`) && undefined,
    );
    await ask(openai).catch(() => {});
    await fetch(`${locker.proxyOrigin}/v1/proxy/openai/v1/models`, { headers: { authorization: `Bearer ${token}` } });
    await eventually(
      async () =>
        (await activity(ada)).filter(({ action, outcome }) => action === "proxy.call" && outcome === "ok").length === 2,
    );
    expect((await spent(ada)).total_usd).toBe(0);
  });

  it("lets no WebSocket through, since nobody could count it", async () => {
    const { token } = await spender({ usd_per_day: 1 });
    const headers = {
      authorization: `Bearer ${token}`,
      upgrade: "websocket",
      connection: "upgrade",
      "sec-websocket-key": "AAAAAAAAAAAAAAAAAAAAAA==",
      "sec-websocket-version": "13",
    };
    const { request } = await import("node:http");
    const status = await new Promise<number | undefined>((resolve, reject) => {
      const asked = request(`${locker.proxyOrigin}/v1/proxy/openai/v1/realtime`, { headers }, (response) => {
        response.resume();
        resolve(response.statusCode);
      });
      asked.on("error", reject);
      asked.end();
    });
    expect(status).toBe(403);
  });

  it("of a token and of one derived from it, each with its own, both pay for a call; altogether it is counted once", async () => {
    const { ada, id, token } = await spender({ usd_per_day: 5 });
    const derived = await fetch(`${locker.publicOrigin}/v1/tokens/derive`, {
      method: "POST",
      headers: { authorization: `Bearer ${token}`, "content-type": "application/json" },
      body: JSON.stringify({ name: "sub-agent", policy: { spend: { usd_per_day: 1 } } }),
    }).then((response) => response.json<{ id: string; token: string }>());
    const baseURL = `${locker.proxyOrigin}/v1/proxy/openai/v1`;
    answerWith(1_000);
    await ask(new OpenAI({ baseURL, apiKey: derived.token, maxRetries: 0 }));
    await eventually(async () => (await spent(ada)).items.length === 2);
    await ask(new OpenAI({ baseURL, apiKey: token, maxRetries: 0 }));
    const all = await eventually(async () => {
      const now = await spent(ada);
      return now.items.some(({ calls }) => calls === 2) && now;
    });
    const mine = { token: id, calls: 2, usd: 0.025, derived: { calls: 1, estimated: 0, usd: 0.0125 } };
    const its = { token: derived.id, calls: 1, usd: 0.0125 };
    expect(all).toMatchObject({ items: [mine, its], total_usd: 0.025 });
    expect(all.items[1]).not.toHaveProperty("derived");
    // Of the first token's own budget all of it is gone.
    expect(await ada.api("GET", `/v1/spend?token=${id}`)).toMatchObject({ items: [mine], total_usd: 0.025 });
    // The sum is of all, however little of it a page shows.
    const first = await ada.api<Spend & { next_cursor: string }>("GET", "/v1/spend?limit=1");
    expect(first).toMatchObject({ items: [mine], total_usd: 0.025 });
    const second = await ada.api<Spend>("GET", `/v1/spend?limit=1&cursor=${first.next_cursor}`);
    expect(second).toMatchObject({ items: [its], total_usd: 0.025 });
    expect(second).not.toHaveProperty("next_cursor");
    // What becomes of earlier pages moves nothing on later ones, and where nothing follows the sum is what it was.
    await inVault(
      locker,
      ada,
      "INSERT INTO spend (token_id, day, key_id, model, calls, estimated, input, output, cached_input, cost) SELECT token_id, day, key_id, 'dearer', 1, 0, 0, 0, 0, 3000000 FROM spend WHERE token_id = ?",
      id,
    );
    expect(await ada.api<Spend>("GET", `/v1/spend?cursor=${first.next_cursor}`)).toMatchObject({ items: [its] });
    await inVault(locker, ada, "DELETE FROM spend WHERE token_id = ?", derived.id);
    const last = await ada.api<Spend>("GET", `/v1/spend?cursor=${first.next_cursor}`);
    expect(last).toEqual({ items: [], total_usd: 3.0125 });
    for (const cursor of ["1", "x", first.next_cursor.slice(0, -4)])
      expect((await ada.fetch(`/v1/spend?cursor=${cursor}`)).status).toBe(422);
  });

  it("counts at a person's own prices where there are some, and at the catalog's again without them", async () => {
    const { ada, openai } = await spender({ usd_per_day: 100 });
    answerWith(1_000);
    await ada.api("POST", "/v1/prices", { provider: "openai", model: "gpt-4o", input: 1_000, output: 2_000 });
    await ask(openai);
    await eventually(async () => (await spent(ada)).total_usd === 3);
    const nobody = ada.api("POST", "/v1/prices", { provider: "opnai", model: "gpt-4o", input: 1, output: 1 });
    await expect(nobody).rejects.toThrow("There is no provider opnai.");
    await ada.api("POST", "/v1/prices", { provider: "custom", model: "mine", input: 1, output: 1 });
    await ada.api("POST", "/v1/prices/reset", { provider: "openai", model: "gpt-4o" });
    await ask(openai);
    await eventually(async () => (await spent(ada)).total_usd === 3.0125);
  });
});
