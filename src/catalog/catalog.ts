import type { Provider } from "./provider.ts";

const BEARER = { in: "bearer" } as const;

/** The providers we know. Data only: each was tried against its SDK or its documented request. */
const PROVIDERS: readonly Provider[] = [
  {
    id: "openai",
    name: "OpenAI",
    category: "llm",
    base_url: "https://api.openai.com",
    placement: BEARER,
    docs_url: "https://platform.openai.com/docs/api-reference/authentication",
  },
  {
    id: "anthropic",
    name: "Anthropic",
    category: "llm",
    base_url: "https://api.anthropic.com",
    placement: { in: "header", name: "x-api-key" },
    headers: { "anthropic-version": "2023-06-01" },
    docs_url: "https://docs.anthropic.com/en/api/overview",
  },
  {
    id: "stripe",
    name: "Stripe",
    category: "service",
    base_url: "https://api.stripe.com",
    placement: BEARER,
    docs_url: "https://docs.stripe.com/api/authentication",
  },
];

const BY_ID = new Map(PROVIDERS.map((provider) => [provider.id, provider]));

/** Any API that the catalog does not list: the person gives its base URL. */
export const CUSTOM = "custom";

/** The provider of that id, if we know it. */
export function providerOf(id: string): Provider | undefined {
  return BY_ID.get(id);
}

/** All providers, in catalog order. */
export function listProviders(): readonly Provider[] {
  return PROVIDERS;
}
