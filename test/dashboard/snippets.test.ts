import { describe, expect, it } from "vitest";
import { LANGUAGES, snippetOf, type Subject } from "../../src/dashboard/pages/tokens/code.ts";

const TOKEN = `alk_app_${"A".repeat(80)}`;
const BASE = "https://proxy.example/v1/proxy/openai%40prod";
const subject = (provider: string): Subject => ({
  base: BASE,
  sdk_path: provider === "openai" ? "/v1" : "",
  path: "/v1/models",
  provider,
  token: TOKEN,
});

describe.each(["openai", "anthropic", "stripe"])("the code for a key of %s", (provider) => {
  // Node and Python are run as they are pasted in test/browser and with the SDKs in test/flows; of the others that may be all.
  it.each(LANGUAGES)("in %s asks the key's own address and shows the token and nothing else", (language) => {
    const code = snippetOf(language, subject(provider));
    const addresses = [...code.matchAll(/https?:\/\/[^"\s\\)]+/g)].map(([address]) => address);
    expect(addresses.length).toBeGreaterThan(0);
    for (const address of addresses) expect([BASE, `${BASE}/v1`, `${BASE}/v1/models`]).toContain(address);
    expect(code.split(TOKEN).length - 1).toBe(language === "go" && provider !== "stripe" ? 2 : 1);
    expect(code).not.toMatch(/sk-|YOUR_|<[a-z-]+>/);
  });
});

describe("an SDK's constructor, as its own documentation has it", () => {
  it.each([
    // The SDKs add /v1 themselves or do not; the address has to leave it to them.
    ["node", "openai", `new OpenAI({\n  baseURL: "${BASE}/v1",\n  apiKey: "${TOKEN}",`],
    ["node", "anthropic", `new Anthropic({\n  baseURL: "${BASE}",\n  apiKey: "${TOKEN}",`],
    ["python", "openai", `OpenAI(\n    base_url="${BASE}/v1",\n    api_key="${TOKEN}",`],
    ["python", "anthropic", `Anthropic(\n    base_url="${BASE}",\n    api_key="${TOKEN}",`],
    ["go", "openai", `openai.NewClient(option.WithBaseURL("${BASE}/v1"), option.WithAPIKey("${TOKEN}"))`],
    ["go", "anthropic", `anthropic.NewClient(option.WithBaseURL("${BASE}"), option.WithAPIKey("${TOKEN}"))`],
  ] as const)("%s, %s", (language, provider, constructor) => {
    expect(snippetOf(language, subject(provider))).toContain(constructor);
  });
});
