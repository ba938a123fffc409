import Anthropic from "@anthropic-ai/sdk";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";
import { languagesWith, runPasted } from "../support/pasted.ts";

const KEY = "sk-ant-api03-realAnthropicKey-77AA";

let locker: LocalLocker;
let upstream: Upstream;
let client: Anthropic;
let token: string;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startUpstream();
  const person = await newPerson(locker);
  await storeKey(person, "claude", upstream.origin, { provider: "anthropic", secret: KEY });
  ({ token } = await mintToken(person));
  client = new Anthropic({ baseURL: `${locker.proxyOrigin}/v1/proxy/claude`, apiKey: token, maxRetries: 0 });
});

afterAll(() => upstream.stop());

function seen() {
  const last = upstream.seen.at(-1);
  if (last === undefined) throw new Error("nothing reached the upstream");
  expect(last.headers["x-api-key"]).toBe(KEY);
  expect(last.headers.authorization).toBeUndefined();
  expect(JSON.stringify(last.raw_headers) + last.url + last.body.toString()).not.toContain("alk_");
  return last;
}

const ASKED = { model: "claude-of-a-test", max_tokens: 100, messages: [{ role: "user" as const, content: "Hi" }] };
const MESSAGE = { id: "msg_1", type: "message", role: "assistant", model: "claude-of-a-test", stop_sequence: null };

/** The events of an answer of two words, as the real API frames them. */
function events(): [string, object][] {
  const usage = { input_tokens: 3, output_tokens: 2 };
  return [
    ["message_start", { message: { ...MESSAGE, content: [], stop_reason: null, usage } }],
    ["content_block_start", { index: 0, content_block: { type: "text", text: "" } }],
    ["content_block_delta", { index: 0, delta: { type: "text_delta", text: "Good" } }],
    ["content_block_delta", { index: 0, delta: { type: "text_delta", text: " day" } }],
    ["content_block_stop", { index: 0 }],
    ["message_delta", { delta: { stop_reason: "end_turn", stop_sequence: null }, usage: { output_tokens: 2 } }],
    ["message_stop", {}],
  ];
}

test("the Anthropic SDK talks through the locker: its token comes in as x-api-key and the real key goes out there", async () => {
  upstream.answerWith((_request, response) => {
    const content = [{ type: "text", text: "Good day" }];
    const answer = { ...MESSAGE, content, stop_reason: "end_turn", usage: { input_tokens: 3, output_tokens: 2 } };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(answer));
  });
  const answer = await client.messages.create(ASKED);
  expect(answer.content).toMatchObject([{ type: "text", text: "Good day" }]);
  expect(seen().url).toBe("/v1/messages");
});

test("messages streamed to the Anthropic SDK come together, event by event", async () => {
  upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    for (const [event, data] of events()) {
      response.write(`event: ${event}\ndata: ${JSON.stringify({ type: event, ...data })}\n\n`);
    }
    response.end();
  });
  const heard: string[] = [];
  const stream = client.messages.stream(ASKED).on("text", (text) => heard.push(text));
  expect((await stream.finalMessage()).content).toMatchObject([{ type: "text", text: "Good day" }]);
  expect(heard).toEqual(["Good", " day"]);
  expect(JSON.parse(seen().body.toString())).toMatchObject({ stream: true });
});

test("the API version that a provider insists on is sent where the caller names none, and the caller's own where it does", async () => {
  const headers = { "x-api-key": token, "content-type": "application/json" };
  const url = `${client.baseURL}/v1/messages`;
  await fetch(url, { method: "POST", headers, body: "{}" });
  expect(seen().headers["anthropic-version"]).toBe("2023-06-01");
  await fetch(url, { method: "POST", headers: { ...headers, "anthropic-version": "2099-01-01" }, body: "{}" });
  expect(seen().headers["anthropic-version"]).toBe("2099-01-01");
});

test("the token is found as a Bearer too, for a provider that wants its key elsewhere", async () => {
  const byBearer = new Anthropic({ baseURL: client.baseURL, apiKey: null, authToken: token, maxRetries: 0 });
  upstream.answerWith((_request, response) => {
    const page = {
      data: [{ type: "model", id: "m", display_name: "M" }],
      has_more: false,
      first_id: "m",
      last_id: "m",
    };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(page));
  });
  const [model] = (await byBearer.models.list()).data;
  expect(model?.id).toBe("m");
  seen();
});

test.each(languagesWith("anthropic"))("the dashboard's code for %s runs as it is pasted", async (language) => {
  upstream.answerWith((_request, response) => {
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(JSON.stringify({ data: [{ id: "claude-sonnet-4-5", type: "model" }], has_more: false }));
  });
  const base = `${locker.proxyOrigin}/v1/proxy/claude`;
  const printed = await runPasted(language, { base, sdk_path: "", path: "/v1/models", provider: "anthropic", token });
  expect(printed).toBe("claude-sonnet-4-5");
  const { method, url } = seen();
  expect([method, url.split("?")[0]]).toEqual(["GET", "/v1/models"]);
});
