import type { Provider } from "./provider.ts";

const BEARER = { in: "bearer" } as const;

/** Payments and shops. */
export const PAYMENTS: readonly Provider[] = [
  {
    id: "stripe",
    name: "Stripe",
    category: "service",
    base_url: "https://api.stripe.com",
    placement: BEARER,
    test: { method: "GET", path: "/v1/balance" },
    docs_url: "https://docs.stripe.com/api/authentication",
    credential_operations: [
      { method: "POST", path: "/v1/ephemeral_keys" },
      { method: "POST", path: "/v1/account_sessions" },
      { method: "POST", path: "/v1/customer_sessions" },
      { method: "POST", path: "/v1/accounts/*/login_links" },
      { method: "POST", path: "/v1/terminal/connection_tokens" },
      { method: "POST", path: "/v1/webhook_endpoints" },
      { method: "POST", path: "/v2/core/event_destinations" },
      { method: "GET", path: "/v1/apps/secrets" },
      { method: "GET", path: "/v1/apps/secrets/find" },
    ],
    note: "A restricted key needs read access to the balance for the test.",
  },
  {
    id: "lemonsqueezy",
    name: "Lemon Squeezy",
    category: "service",
    base_url: "https://api.lemonsqueezy.com",
    placement: BEARER,
    headers: { accept: "application/vnd.api+json" },
    test: { method: "GET", path: "/v1/users/me" },
    docs_url: "https://docs.lemonsqueezy.com/api/getting-started/requests",
    note: "The official JavaScript SDK has its address built in and cannot be pointed at a proxy.",
  },
  {
    id: "shopify",
    name: "Shopify Admin API",
    category: "service",
    base_url_hint: "https://<shop>.myshopify.com",
    placement: { in: "header", name: "x-shopify-access-token" },
    test: { method: "GET", path: "/admin/oauth/access_scopes.json" },
    docs_url: "https://shopify.dev/docs/api/admin-rest",
    credential_operations: [
      { method: "POST", path: "/admin/access_tokens/delegate*" },
      { method: "*", path: "/admin/**/storefront_access_tokens*" },
    ],
    note: "In GraphQL, storefrontAccessTokenCreate and delegateAccessTokenCreate mint tokens; they cannot be told apart by path.",
  },
];
