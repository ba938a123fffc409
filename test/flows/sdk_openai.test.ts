import OpenAI, { toFile } from "openai";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";
import { languagesWith, runPasted } from "../support/pasted.ts";
import { spoiled } from "../support/spoiled.ts";

const KEY = "sk-proj-8Zt1realOpenAiKey0451";

let locker: LocalLocker;
let upstream: Upstream;
let client: OpenAI;
let token: string;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startUpstream();
  const person = await newPerson(locker);
  await storeKey(person, "openai", upstream.origin, { provider: "openai", secret: KEY });
  ({ token } = await mintToken(person, { keys: ["openai"] }));
  client = new OpenAI({ baseURL: `${locker.proxyOrigin}/v1/proxy/openai/v1`, apiKey: token, maxRetries: 0 });
});

afterAll(() => upstream.stop());

/** The last request, after checking that it carried the real key and nothing of ours. */
function seen() {
  const last = upstream.seen.at(-1);
  if (last === undefined) throw new Error("nothing reached the upstream");
  expect(last.headers.authorization).toBe(`Bearer ${KEY}`);
  expect(JSON.stringify(last.raw_headers) + last.url + last.body.toString()).not.toContain("alk_");
  return last;
}

const CHUNK = { id: "c1", object: "chat.completion.chunk", created: 1, model: "gpt-4o" };
const MESSAGES = [{ role: "user" as const, content: "Say hello" }];

test("the OpenAI SDK chats through the locker with nothing but a base URL and an app token", async () => {
  upstream.answerWith((_request, response) => {
    const message = { role: "assistant", content: "Hello!", refusal: null };
    const choices = [{ index: 0, message, finish_reason: "stop", logprobs: null }];
    response.writeHead(200, { "content-type": "application/json", "x-request-id": "req_1" });
    response.end(JSON.stringify({ ...CHUNK, object: "chat.completion", choices }));
  });
  const answer = await client.chat.completions.create({ model: "gpt-4o", messages: MESSAGES });
  expect(answer.choices[0]?.message.content).toBe("Hello!");
  expect(answer._request_id).toBe("req_1");
  const { method, url, body } = seen();
  expect([method, url]).toEqual(["POST", "/v1/chat/completions"]);
  expect(JSON.parse(body.toString())).toMatchObject({ model: "gpt-4o", messages: MESSAGES });
});

test("a chat streamed to the OpenAI SDK arrives word by word", async () => {
  const words = ["One", " by", " one"];
  let next = 0;
  let write: () => void = () => {};
  upstream.answerWith((_request, response) => {
    response.writeHead(200, { "content-type": "text/event-stream" });
    write = () => {
      const content = words[next++];
      const choices = [{ index: 0, delta: { content }, finish_reason: null }];
      if (content !== undefined) response.write(`data: ${JSON.stringify({ ...CHUNK, choices })}\n\n`);
      else response.end("data: [DONE]\n\n");
    };
    write();
  });
  const stream = await client.chat.completions.create({ model: "gpt-4o", messages: MESSAGES, stream: true });
  const heard: string[] = [];
  for await (const chunk of stream) {
    heard.push(chunk.choices[0]?.delta.content ?? "");
    // Only now is the next word even produced: had anything been held back, this would wait for ever.
    write();
  }
  expect(heard).toEqual(words);
  expect(JSON.parse(seen().body.toString())).toMatchObject({ stream: true });
});

test("a file that the OpenAI SDK uploads as multipart reaches the upstream byte for byte", async () => {
  const bytes = Buffer.from(Array.from({ length: 70_000 }, (_, at) => at % 256));
  upstream.answerWith((_request, response) => {
    const file = { id: "file-1", object: "file", bytes: bytes.length, created_at: 1, filename: "data.bin" };
    response.writeHead(200, { "content-type": "application/json" }).end(JSON.stringify(file));
  });
  const file = await client.files.create({ file: await toFile(bytes, "data.bin"), purpose: "batch" });
  expect(file.id).toBe("file-1");
  const { headers, body } = seen();
  expect(headers["content-type"]).toMatch(/^multipart\/form-data; boundary=/);
  expect(body.includes(bytes)).toBe(true);
});

test("an upstream's refusal reaches the OpenAI SDK as the typed error it knows, with the key cut out of its text", async () => {
  upstream.answerWith((_request, response, { headers }) => {
    const error = {
      message: `Incorrect API key provided: ${headers.authorization}`,
      type: "x",
      code: "invalid_api_key",
    };
    response.writeHead(401, { "content-type": "application/json" }).end(JSON.stringify({ error }));
  });
  const refused = client.chat.completions.create({ model: "gpt-4o", messages: MESSAGES });
  await expect(refused).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  await expect(refused).rejects.toMatchObject({ status: 401, code: "invalid_api_key" });
  await expect(refused).rejects.toThrow("Incorrect API key provided: Bearer [redacted]");
});

test("our own refusal is one that the OpenAI SDK understands too", async () => {
  const stranger = new OpenAI({ baseURL: client.baseURL, apiKey: spoiled(token), maxRetries: 0 });
  await expect(stranger.models.list()).rejects.toBeInstanceOf(OpenAI.AuthenticationError);
  const nowhere = new OpenAI({ baseURL: `${locker.proxyOrigin}/v1/proxy/absent/v1`, apiKey: token, maxRetries: 0 });
  await expect(nowhere.models.list()).rejects.toMatchObject({
    status: 404,
    code: "not_found",
    message: "404 This token reaches no key of that name.",
  });
});

test.each(languagesWith("openai"))("the dashboard's code for %s runs as it is pasted", async (language) => {
  upstream.answerWith((_request, response) => {
    response
      .writeHead(200, { "content-type": "application/json" })
      .end(
        JSON.stringify({ object: "list", data: [{ id: "gpt-4o", object: "model", created: 1, owned_by: "openai" }] }),
      );
  });
  const base = `${locker.proxyOrigin}/v1/proxy/openai`;
  const printed = await runPasted(language, { base, sdk_path: "/v1", path: "/v1/models", provider: "openai", token });
  expect(printed).toBe("gpt-4o");
  const { method, url } = seen();
  expect([method, url.split("?")[0]]).toEqual(["GET", "/v1/models"]);
});
