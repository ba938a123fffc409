import fc from "fast-check";
import { describe, expect, it, vi } from "vitest";
import { estimateOf, UsageReader } from "../../src/proxy/usage.ts";

const event = (data: object, name?: string) =>
  `${name === undefined ? "" : `event: ${name}\n`}data: ${JSON.stringify(data)}\n\n`;

/** Answers as the providers document them, and what they took. */
const ANSWERS: Record<string, { type: string; body: string; usage: object }> = {
  "OpenAI chat": {
    type: "application/json",
    body: JSON.stringify({
      model: "gpt-4o-2024-08-06",
      choices: [{ message: { content: `{"usage":{"prompt_tokens":9999}}` } }],
      usage: {
        prompt_tokens: 1117,
        completion_tokens: 46,
        total_tokens: 1163,
        prompt_tokens_details: { cached_tokens: 1024 },
      },
    }),
    usage: { model: "gpt-4o-2024-08-06", input: 1117, output: 46, cached_input: 1024, cache_write: 0 },
  },
  "OpenAI chat, streamed with usage": {
    type: "text/event-stream; charset=utf-8",
    body:
      event({ model: "gpt-4o-mini", choices: [{ delta: { content: "Hi" } }], usage: null }) +
      event({ model: "gpt-4o-mini", choices: [], usage: { prompt_tokens: 9, completion_tokens: 12 } }) +
      "data: [DONE]\n\n",
    usage: { model: "gpt-4o-mini", input: 9, output: 12, cached_input: 0, cache_write: 0 },
  },
  "OpenAI responses, streamed": {
    type: "text/event-stream",
    body:
      event({ type: "response.output_text.delta", delta: "Hi" }, "response.output_text.delta") +
      event(
        {
          type: "response.completed",
          response: {
            model: "gpt-5-mini",
            usage: { input_tokens: 36, output_tokens: 87, input_tokens_details: { cached_tokens: 4 } },
          },
        },
        "response.completed",
      ),
    usage: { model: "gpt-5-mini", input: 36, output: 87, cached_input: 4, cache_write: 0 },
  },
  "OpenAI embeddings": {
    type: "application/json",
    body: JSON.stringify({ model: "text-embedding-3-small", data: [], usage: { prompt_tokens: 8, total_tokens: 8 } }),
    usage: { model: "text-embedding-3-small", input: 8, output: 0, cached_input: 0, cache_write: 0 },
  },
  Anthropic: {
    type: "application/json",
    body: JSON.stringify({
      model: "claude-sonnet-4-5",
      usage: { input_tokens: 10, output_tokens: 25, cache_read_input_tokens: 100, cache_creation_input_tokens: 50 },
    }),
    usage: { model: "claude-sonnet-4-5", input: 160, output: 25, cached_input: 100, cache_write: 50 },
  },
  "Anthropic, streamed": {
    type: "text/event-stream; charset=utf-8",
    body:
      event(
        {
          type: "message_start",
          message: { model: "claude-haiku-4-5", usage: { input_tokens: 25, output_tokens: 1 } },
        },
        "message_start",
      ) +
      event({ type: "content_block_delta", delta: { text: "Hello" } }, "content_block_delta") +
      event(
        { type: "message_delta", delta: { stop_reason: "end_turn" }, usage: { output_tokens: 15 } },
        "message_delta",
      ),
    usage: { model: "claude-haiku-4-5", input: 25, output: 15, cached_input: 0, cache_write: 0 },
  },
  "Google, streamed": {
    type: "text/event-stream",
    body:
      event({ modelVersion: "gemini-2.5-flash", usageMetadata: { promptTokenCount: 7, totalTokenCount: 7 } }) +
      event({
        modelVersion: "gemini-2.5-flash",
        usageMetadata: {
          promptTokenCount: 7,
          candidatesTokenCount: 40,
          thoughtsTokenCount: 60,
          cachedContentTokenCount: 3,
        },
      }),
    usage: { model: "gemini-2.5-flash", input: 7, output: 100, cached_input: 3, cache_write: 0 },
  },
  "Google, streamed as one array": {
    type: "application/json",
    body: JSON.stringify([
      { usageMetadata: { promptTokenCount: 4 } },
      { usageMetadata: { promptTokenCount: 4, candidatesTokenCount: 9 } },
    ]),
    usage: { model: "asked-for", input: 4, output: 9, cached_input: 0, cache_write: 0 },
  },
  Google: {
    type: "application/json; charset=UTF-8",
    body: JSON.stringify({
      candidates: [{ content: { parts: [{ text: "Hi" }], role: "model" }, finishReason: "STOP" }],
      usageMetadata: {
        promptTokenCount: 11,
        toolUsePromptTokenCount: 200,
        candidatesTokenCount: 5,
        thoughtsTokenCount: 20,
        totalTokenCount: 236,
      },
      modelVersion: "gemini-2.5-pro",
    }),
    usage: { model: "gemini-2.5-pro", input: 211, output: 25, cached_input: 0, cache_write: 0 },
  },
  Mistral: {
    type: "application/json",
    body: JSON.stringify({
      model: "mistral-small-latest",
      choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
      usage: { prompt_tokens: 16, total_tokens: 50, completion_tokens: 34 },
    }),
    usage: { model: "mistral-small-latest", input: 16, output: 34, cached_input: 0, cache_write: 0 },
  },
  "Mistral, streamed": {
    type: "text/event-stream",
    body:
      event({ model: "mistral-small-latest", choices: [{ index: 0, delta: { content: "Hi" }, finish_reason: null }] }) +
      event({
        model: "mistral-small-latest",
        choices: [{ index: 0, delta: { content: "" }, finish_reason: "stop" }],
        usage: { prompt_tokens: 16, total_tokens: 50, completion_tokens: 34 },
      }) +
      "data: [DONE]\n\n",
    usage: { model: "mistral-small-latest", input: 16, output: 34, cached_input: 0, cache_write: 0 },
  },
  Groq: {
    type: "application/json",
    body: JSON.stringify({
      model: "llama-3.3-70b-versatile",
      choices: [{ index: 0, message: { role: "assistant", content: "Hi" }, finish_reason: "stop" }],
      usage: { queue_time: 0.03, prompt_tokens: 18, prompt_time: 0.0006, completion_tokens: 556, total_tokens: 574 },
      x_groq: { id: "req_01" },
    }),
    usage: { model: "llama-3.3-70b-versatile", input: 18, output: 556, cached_input: 0, cache_write: 0 },
  },
  "Groq, streamed": {
    type: "text/event-stream",
    body:
      event({ model: "llama-3.1-8b-instant", choices: [{ delta: { content: "Hi" } }], x_groq: { id: "req_01" } }) +
      event({
        model: "llama-3.1-8b-instant",
        choices: [{ delta: {}, finish_reason: "stop" }],
        x_groq: { id: "req_01", usage: { prompt_tokens: 5, completion_tokens: 6, total_tokens: 11 } },
      }) +
      "data: [DONE]\n\n",
    usage: { model: "llama-3.1-8b-instant", input: 5, output: 6, cached_input: 0, cache_write: 0 },
  },
  "OpenRouter, streamed": {
    type: "text/event-stream",
    body:
      ": OPENROUTER PROCESSING\n\n" +
      event({ model: "anthropic/claude-sonnet-4", choices: [{ delta: { content: "Hi" } }] }) +
      event({
        model: "anthropic/claude-sonnet-4",
        choices: [],
        usage: { prompt_tokens: 10, completion_tokens: 4, total_tokens: 14, cost: 0.000_09, is_byok: false },
      }) +
      "data: [DONE]\n\n",
    usage: { model: "anthropic/claude-sonnet-4", input: 10, output: 4, cached_input: 0, cache_write: 0, usd: 0.000_09 },
  },
  "OpenRouter, which says what it cost": {
    type: "application/json",
    body: JSON.stringify({ model: "x/y", usage: { prompt_tokens: 194, completion_tokens: 2, cost: 0.95 } }),
    usage: { model: "x/y", input: 194, output: 2, cached_input: 0, cache_write: 0, usd: 0.95 },
  },
};

describe.each(Object.entries(ANSWERS))("an answer of %s", (_name, { type, body, usage }) => {
  it("is read for what it took, wherever it is cut into chunks", () => {
    const bytes = new TextEncoder().encode(body);
    fc.assert(
      fc.property(fc.array(fc.nat({ max: bytes.length }), { maxLength: 12 }), (cuts) => {
        const reader = new UsageReader("asked-for", type);
        const at = [0, ...cuts.sort((a, b) => a - b), bytes.length];
        for (let n = 1; n < at.length; n++) reader.take(bytes.subarray(at[n - 1], at[n]));
        expect(reader.bytes).toBe(bytes.length);
        expect(reader.total()).toEqual(usage);
      }),
      { numRuns: 30 },
    );
  });
});

it("a long line that comes a byte at a time is not searched again with each", () => {
  const reader = new UsageReader("m", "text/event-stream");
  const searched = vi.spyOn(String.prototype, "lastIndexOf");
  const line = JSON.stringify({ text: "x".repeat(64 * 1024), usage: { prompt_tokens: 1, completion_tokens: 2 } });
  const bytes = new TextEncoder().encode(`data: ${line}\n\n`);
  reader.take(bytes.subarray(0, 64 * 1024));
  for (let at = 64 * 1024; at < bytes.length; at++) reader.take(bytes.subarray(at, at + 1));
  const length = searched.mock.contexts.reduce<number>((sum, text) => sum + String(text).length, 0);
  searched.mockRestore();
  expect(length).toBe(bytes.length);
  expect(reader.total()).toMatchObject({ input: 1, output: 2 });
});

it.each([
  [
    "a stream that broke off before it said",
    "text/event-stream",
    event({ model: "m", choices: [{ delta: { content: "Hi" } }] }),
  ],
  ["a page", "text/html", "<html>usage</html>"],
  ["half a document", "application/json", `{"model":"m","usage":{"prompt_tokens":1`],
  ["counts that are none", "application/json", `{"usage":{"prompt_tokens":"1","completion_tokens":-5}}`],
  [
    "an answer too long to be searched",
    "application/json",
    `{"a":"${"x".repeat(8 * 1024 * 1024)}","usage":{"prompt_tokens":1,"completion_tokens":1}}`,
  ],
])("%s says nothing", (_what, type, body) => {
  const reader = new UsageReader("m", type);
  reader.take(new TextEncoder().encode(body));
  expect(reader.total()).toBeUndefined();
});

describe("what a request may come to", () => {
  it.each([
    ["says how much at most", { model: "gpt-4o", max_tokens: 100, messages: [] }, 100],
    ["says it in the newer way", { model: "o3", max_completion_tokens: 50 }, 50],
    ["wants several answers", { model: "gpt-4o", max_tokens: 100, n: 3 }, 300],
    ["is Google's", { generationConfig: { maxOutputTokens: 20 } }, 20],
    ["is for an embedding", { model: "text-embedding-3-small", input: "x" }, 0],
    ["says nothing of it", { model: "gpt-4o", messages: [] }, null],
    [
      "names what is not in it",
      { model: "gpt-4o", max_tokens: 9, messages: [{ content: [{ image_url: { url: "https://x" } }] }] },
      null,
    ],
    ["says several numbers", { model: "gpt-4o", max_completion_tokens: 1, max_tokens: 900 }, 900],
    ["wants more than it says first", { model: "m", max_tokens: 10, n: 1, best_of: 5 }, 50],
    [
      "says it twice to Google",
      { generation_config: { max_output_tokens: 900, maxOutputTokens: 700 }, generationConfig: { maxOutputTokens: 1 } },
      900,
    ],
    [
      "says it twice to Google, in one name",
      { generation_config: { maxOutputTokens: 700 }, generationConfig: { maxOutputTokens: 1 } },
      700,
    ],
    ["goes on from an earlier one", { model: "gpt-5", max_output_tokens: 9, previous_response_id: "resp_1" }, null],
    [
      "hands out tools that the provider runs",
      { model: "gpt-5", max_output_tokens: 9, tools: [{ type: "web_search" }] },
      null,
    ],
  ])("is told of one that %s", (_what, body, output) => {
    const text = JSON.stringify(body);
    expect(estimateOf(text, text.length)).toMatchObject({ input: text.length, output });
  });

  it("is unknown where an escape hides what is not in it", () => {
    const text = String.raw`{"model":"gpt-4o","max_tokens":9,"messages":[{"content":[{"image\u005furl":{"url":"https://x"}}]}]}`;
    expect(estimateOf(text, text.length).output).toBeNull();
  });

  it("is unknown of what is no JSON", () => {
    expect(estimateOf("--boundary", 10)).toEqual({ model: "", input: 10, output: null });
  });
});
