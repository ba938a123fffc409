import type { Provider } from "./provider.ts";

const BEARER = { in: "bearer" } as const;

/** Documents, tables, tickets and customers. */
export const OFFICE: readonly Provider[] = [
  {
    id: "notion",
    name: "Notion",
    category: "service",
    base_url: "https://api.notion.com",
    placement: BEARER,
    headers: { "notion-version": "2025-09-03" },
    test: { method: "GET", path: "/v1/users/me" },
    docs_url: "https://developers.notion.com/reference/authentication",
    note: "An internal integration's secret.",
  },
  {
    id: "linear",
    name: "Linear",
    category: "service",
    base_url: "https://api.linear.app",
    placement: { in: "header", name: "authorization" },
    sdk_base_path: "/graphql",
    docs_url: "https://linear.app/developers/graphql",
    note: "A personal API key, sent without `Bearer`. No test, and no list of credential operations: GraphQL has one path, and what is asked travels in the body (webhookRotateSecret and oauthApplicationRotateSecret show secrets).",
  },
  {
    id: "airtable",
    name: "Airtable",
    category: "service",
    base_url: "https://api.airtable.com",
    placement: BEARER,
    test: { method: "GET", path: "/v0/meta/whoami" },
    docs_url: "https://airtable.com/developers/web/api/authentication",
    credential_operations: [{ method: "POST", path: "/v0/bases/*/webhooks" }],
    note: "A personal access token.",
  },
  {
    id: "hubspot",
    name: "HubSpot",
    category: "service",
    base_url: "https://api.hubapi.com",
    placement: BEARER,
    test: { method: "GET", path: "/account-info/v3/details" },
    docs_url: "https://developers.hubspot.com/docs/guides/apps/private-apps/overview",
    credential_operations: [{ method: "POST", path: "/**/visitor-identification/**/tokens/create" }],
    note: "A private app's access token.",
  },
];
