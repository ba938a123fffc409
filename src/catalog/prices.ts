/**
 * What models cost, in US dollars a million tokens, as their providers' price lists said on `PRICES_AS_OF`. Lists change: a person
 * can set a price of their own over each of these. `model` is the beginning of a model's name, the longest that fits counts.
 */
export type Price = {
  provider: string;
  model: string;
  input: number;
  output: number;
  /** Input read from the provider's cache; left out: as other input. */
  cached_input?: number | undefined;
  /** Input written to the provider's cache; left out: as other input. */
  cache_write?: number | undefined;
};

export const PRICES_AS_OF = "2025-11-30";

/** Short rows: model, input, output, cached input, cache write. */
type Row = readonly [model: string, input: number, output: number, cached_input?: number, cache_write?: number];

const LISTS: Readonly<Record<string, readonly Row[]>> = {
  openai: [
    ["gpt-5", 1.25, 10, 0.125],
    ["gpt-5-mini", 0.25, 2, 0.025],
    ["gpt-5-nano", 0.05, 0.4, 0.005],
    ["gpt-5-pro", 15, 120],
    ["gpt-4.1", 2, 8, 0.5],
    ["gpt-4.1-mini", 0.4, 1.6, 0.1],
    ["gpt-4.1-nano", 0.1, 0.4, 0.025],
    ["gpt-4o", 2.5, 10, 1.25],
    ["gpt-4o-mini", 0.15, 0.6, 0.075],
    ["gpt-4-turbo", 10, 30],
    ["gpt-4", 30, 60],
    ["gpt-3.5-turbo", 0.5, 1.5],
    ["o1", 15, 60, 7.5],
    ["o1-pro", 150, 600],
    ["o3", 2, 8, 0.5],
    ["o3-mini", 1.1, 4.4, 0.55],
    ["o3-pro", 20, 80],
    ["o4-mini", 1.1, 4.4, 0.275],
    ["text-embedding-3-small", 0.02, 0],
    ["text-embedding-3-large", 0.13, 0],
  ],
  anthropic: [
    ["claude-opus-4", 15, 75, 1.5, 30],
    ["claude-opus-4-5", 5, 25, 0.5, 10],
    ["claude-sonnet-4", 6, 22.5, 0.6, 12],
    ["claude-haiku-4-5", 1, 5, 0.1, 2],
    ["claude-3-7-sonnet", 3, 15, 0.3, 6],
    ["claude-3-5-sonnet", 3, 15, 0.3, 6],
    ["claude-3-5-haiku", 0.8, 4, 0.08, 1.6],
    ["claude-3-opus", 15, 75, 1.5, 30],
    ["claude-3-haiku", 0.25, 1.25, 0.03, 0.5],
  ],
  "google-ai": [
    ["gemini-3-pro", 4, 18, 0.4],
    ["gemini-2.5-pro", 2.5, 15, 0.25],
    ["gemini-2.5-flash", 0.3, 2.5, 0.03],
    ["gemini-2.5-flash-lite", 0.1, 0.4, 0.01],
    ["gemini-2.0-flash", 0.1, 0.4, 0.025],
    ["gemini-2.0-flash-lite", 0.075, 0.3],
    ["gemini-embedding", 0.15, 0],
  ],
  mistral: [
    ["mistral-large", 2, 6],
    ["mistral-medium", 0.4, 2],
    ["mistral-small", 0.1, 0.3],
    ["magistral-medium", 2, 5],
    ["codestral", 0.3, 0.9],
    ["ministral-8b", 0.1, 0.1],
    ["ministral-3b", 0.04, 0.04],
    ["mistral-embed", 0.1, 0],
  ],
  groq: [
    ["llama-3.3-70b-versatile", 0.59, 0.79],
    ["llama-3.1-8b-instant", 0.05, 0.08],
    ["openai/gpt-oss-120b", 0.15, 0.75],
    ["openai/gpt-oss-20b", 0.1, 0.5],
    ["moonshotai/kimi-k2", 1, 3, 0.5],
    ["qwen/qwen3-32b", 0.29, 0.59],
  ],
  xai: [
    ["grok-4", 3, 15, 0.75],
    ["grok-4-fast", 0.4, 1, 0.05],
    ["grok-3", 3, 15, 0.75],
    ["grok-3-mini", 0.3, 0.5, 0.075],
    ["grok-code-fast", 0.2, 1.5, 0.02],
  ],
  deepseek: [
    ["deepseek-chat", 0.28, 0.42, 0.028],
    ["deepseek-reasoner", 0.28, 0.42, 0.028],
  ],
  perplexity: [
    ["sonar", 1, 1],
    ["sonar-pro", 3, 15],
    ["sonar-reasoning-pro", 2, 8],
  ],
  cohere: [
    ["command-a", 2.5, 10],
    ["command-r-plus", 2.5, 10],
    ["command-r", 0.15, 0.6],
    ["command-r7b", 0.0375, 0.15],
  ],
  // Its answers say what they cost; this is for those that do not, and dear on purpose.
  openrouter: [["", 15, 75]],
};

/** All list prices. */
export const PRICES: readonly Price[] = Object.entries(LISTS).flatMap(([provider, rows]) =>
  rows.map(([model, input, output, cached_input, cache_write]) => ({
    provider,
    model,
    input,
    output,
    cached_input,
    cache_write,
  })),
);
