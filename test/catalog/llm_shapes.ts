import { BEARER, JSON_BODY, type Shape } from "./shape.ts";

const MESSAGES = `"messages":[{"role":"user","content":"Say this is a test"}]`;

/** The OpenAI-compatible call that most providers print. */
function chat(provider: string, path: string, model: string): Shape {
  const body = `{"model":"${model}",${MESSAGES}}`;
  return { provider, method: "POST", path, headers: { ...BEARER, ...JSON_BODY }, body };
}

export const LLM_SHAPES: readonly Shape[] = [
  chat("openai", "/v1/chat/completions", "gpt-4o-mini"),
  {
    provider: "anthropic",
    method: "POST",
    path: "/v1/messages",
    headers: { "x-api-key": "$KEY", "anthropic-version": "2023-06-01", ...JSON_BODY },
    body: `{"model":"claude-sonnet-4-5","max_tokens":1024,${MESSAGES}}`,
  },
  {
    provider: "google-ai",
    method: "POST",
    path: "/v1beta/models/gemini-2.5-flash:generateContent",
    headers: { "x-goog-api-key": "$KEY", ...JSON_BODY },
    body: `{"contents":[{"parts":[{"text":"Explain how AI works in a few words"}]}]}`,
  },
  {
    provider: "google-ai",
    method: "POST",
    path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse&key=$KEY",
    headers: JSON_BODY,
    body: `{"contents":[{"parts":[{"text":"Explain how AI works"}]}]}`,
    seen: {
      path: "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
      headers: { "x-goog-api-key": "$KEY" },
    },
  },
  chat("mistral", "/v1/chat/completions", "mistral-large-latest"),
  chat("xai", "/v1/chat/completions", "grok-4"),
  chat("deepseek", "/chat/completions", "deepseek-chat"),
  chat("perplexity", "/chat/completions", "sonar-pro"),
  {
    provider: "cohere",
    method: "POST",
    path: "/v2/chat",
    headers: { accept: "application/json", authorization: "bearer $KEY", ...JSON_BODY },
    body: `{"model":"command-a-03-2025",${MESSAGES}}`,
    seen: { headers: BEARER },
  },
  chat("groq", "/openai/v1/chat/completions", "llama-3.3-70b-versatile"),
  chat("together", "/v1/chat/completions", "meta-llama/Llama-3.3-70B-Instruct-Turbo"),
  chat("fireworks", "/inference/v1/chat/completions", "accounts/fireworks/models/llama-v3p1-8b-instruct"),
  chat("openrouter", "/api/v1/chat/completions", "openai/gpt-4o"),
  {
    provider: "replicate",
    method: "POST",
    path: "/v1/models/black-forest-labs/flux-schnell/predictions",
    headers: { ...BEARER, ...JSON_BODY, prefer: "wait" },
    body: `{"input":{"prompt":"an iguana on the beach"}}`,
  },
  chat("huggingface", "/v1/chat/completions", "deepseek-ai/DeepSeek-V3-0324"),
  { provider: "huggingface-hub", method: "GET", path: "/api/whoami-v2", headers: BEARER },
  {
    provider: "azure-openai",
    method: "POST",
    path: "/openai/v1/chat/completions",
    headers: { "api-key": "$KEY", ...JSON_BODY },
    body: `{"model":"my-deployment",${MESSAGES}}`,
  },
];
