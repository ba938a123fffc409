import { GoogleGenAI } from "@google/genai";
import { Octokit } from "@octokit/core";
import { WebClient } from "@slack/web-api";
import Groq from "groq-sdk";
import twilio from "twilio";
import { afterAll, beforeAll, expect, test } from "vitest";
import type { LocalLocker } from "../../src/local/serve.ts";
import { mintToken, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import { startUpstream, type Seen, type Upstream } from "../support/upstream.ts";

const ACCOUNT_SID = `AC${"0".repeat(32)}`;
const KEYS = {
  "google-ai": "AIzaSy-realGoogleKey-0123456789abcd",
  github: "github_pat_realGitHubToken0123456789",
  twilio: "realTwilioAuthToken0123456789abcdef",
  groq: "gsk_realGroqKey0123456789abcdef",
  slack: "xoxb-123456789012-realSlackToken",
};
type Provider = keyof typeof KEYS;

let locker: LocalLocker;
let upstream: Upstream;
let token: string;

beforeAll(async () => {
  locker = await usualLocker();
  upstream = await startUpstream();
  const person = await newPerson(locker);
  for (const [provider, secret] of Object.entries(KEYS)) {
    const pair = { secret: undefined, fields: { username: ACCOUNT_SID, password: secret } };
    await storeKey(person, provider, upstream.origin, { provider, ...(provider === "twilio" ? pair : { secret }) });
  }
  ({ token } = await mintToken(person));
});

afterAll(() => upstream.stop());

const base = (provider: Provider) => `${locker.proxyOrigin}/v1/proxy/${provider}`;

function answerWith(status: number, type: string, body: string): void {
  upstream.answerWith((_request, response) => void response.writeHead(status, { "content-type": type }).end(body));
}

/** What reached the upstream last: with no token of ours anywhere in it. */
function seen(): Seen {
  const last = upstream.seen.at(-1);
  if (last === undefined) throw new Error("nothing reached the upstream");
  expect(last.raw_headers.join("\n") + last.url + last.body.toString("latin1")).not.toContain("alk_");
  return last;
}

/** A candidate of the Gemini API with these words. */
function saying(text: string): string {
  return JSON.stringify({ candidates: [{ content: { role: "model", parts: [{ text }] }, index: 0 }] });
}

test("@google/genai, by base URL and key only: whole answers and streams, with the real key in x-goog-api-key", async () => {
  const ai = new GoogleGenAI({ apiKey: token, httpOptions: { baseUrl: base("google-ai") } });
  const asked = { model: "gemini-2.5-flash", contents: "Hi" };

  answerWith(200, "application/json", saying("Good day"));
  expect((await ai.models.generateContent(asked)).text).toBe("Good day");
  expect(seen()).toMatchObject({ method: "POST", url: "/v1/models/gemini-2.5-flash:generateContent" });
  expect(seen().headers["x-goog-api-key"]).toBe(KEYS["google-ai"]);

  const events = ["Good", " day"].map((text) => `data: ${saying(text)}\r\n\r\n`);
  answerWith(200, "text/event-stream", events.join(""));
  let streamed = "";
  for await (const chunk of await ai.models.generateContentStream(asked)) streamed += chunk.text ?? "";
  expect(streamed).toBe("Good day");
  expect(seen().url).toBe("/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse");
});

test("Octokit, by base URL and token only: `Authorization: token …` comes in and `Bearer …` with the real one goes out", async () => {
  const octokit = new Octokit({ auth: token, baseUrl: base("github") });
  answerWith(200, "application/json; charset=utf-8", JSON.stringify([{ number: 1347, title: "Found a bug" }]));
  const { data } = await octokit.request("GET /repos/{owner}/{repo}/issues", { owner: "octocat", repo: "Hello-World" });
  expect(data[0]?.title).toBe("Found a bug");
  expect(seen()).toMatchObject({ method: "GET", url: "/repos/octocat/Hello-World/issues" });
  expect(seen().headers.authorization).toBe(`Bearer ${KEYS.github}`);
  expect(seen().headers["user-agent"]).toMatch(/^octokit-core/);
});

test("Octokit gets GitHub's own error, with its status", async () => {
  const octokit = new Octokit({ auth: token, baseUrl: base("github") });
  answerWith(404, "application/json; charset=utf-8", JSON.stringify({ message: "Not Found" }));
  await expect(octokit.request("GET /user")).rejects.toMatchObject({
    status: 404,
    response: { data: { message: "Not Found" } },
  });
});

test("twilio-node, with the base URL of its api domain set: the token comes in as Basic password, the real pair goes out", async () => {
  const client = twilio(ACCOUNT_SID, token);
  client.api.baseUrl = base("twilio");
  answerWith(201, "application/json", JSON.stringify({ sid: "SM1", status: "queued", body: "Hi there" }));
  const message = await client.messages.create({ body: "Hi there", from: "+15017122661", to: "+15558675310" });
  expect(message).toMatchObject({ sid: "SM1", status: "queued" });

  expect(seen()).toMatchObject({ method: "POST", url: `/2010-04-01/Accounts/${ACCOUNT_SID}/Messages.json` });
  const pair = Buffer.from(`${ACCOUNT_SID}:${KEYS.twilio}`).toString("base64");
  expect(seen().headers.authorization).toBe(`Basic ${pair}`);
  expect(Object.fromEntries(new URLSearchParams(seen().body.toString()))).toMatchObject({ Body: "Hi there" });
});

test("groq-sdk, by base URL and key only: whole answers and streams", async () => {
  const groq = new Groq({ apiKey: token, baseURL: base("groq"), maxRetries: 0 });
  const asked = { model: "llama-3.3-70b-versatile", messages: [{ role: "user" as const, content: "Hi" }] };
  const choice = { index: 0, message: { role: "assistant", content: "Good day" }, finish_reason: "stop" };
  answerWith(200, "application/json", JSON.stringify({ id: "c1", object: "chat.completion", choices: [choice] }));
  expect((await groq.chat.completions.create(asked)).choices[0]?.message.content).toBe("Good day");
  expect(seen()).toMatchObject({ method: "POST", url: "/openai/v1/chat/completions" });
  expect(seen().headers.authorization).toBe(`Bearer ${KEYS.groq}`);

  const chunks = ["Good", " day"].map((content) =>
    JSON.stringify({ id: "c1", choices: [{ index: 0, delta: { content } }] }),
  );
  answerWith(200, "text/event-stream", [...chunks, "[DONE]"].map((chunk) => `data: ${chunk}\n\n`).join(""));
  let streamed = "";
  for await (const chunk of await groq.chat.completions.create({ ...asked, stream: true }))
    streamed += chunk.choices[0]?.delta.content ?? "";
  expect(streamed).toBe("Good day");
});

test("@slack/web-api, by base URL and token only: posts a message with the real token", async () => {
  const slack = new WebClient(token, { slackApiUrl: `${base("slack")}/api/`, retryConfig: { retries: 0 } });
  answerWith(
    200,
    "application/json; charset=utf-8",
    JSON.stringify({ ok: true, channel: "C1", ts: "1503435956.000247" }),
  );
  const posted = await slack.apiCall("chat.postMessage", { channel: "C1", text: "Hello" });
  expect(posted).toMatchObject({ ok: true, ts: "1503435956.000247" });
  expect(seen()).toMatchObject({ method: "POST", url: "/api/chat.postMessage" });
  expect(seen().headers.authorization).toBe(`Bearer ${KEYS.slack}`);
  expect(Object.fromEntries(new URLSearchParams(seen().body.toString()))).toEqual({ channel: "C1", text: "Hello" });
});
