import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { destinationOf } from "../../src/api/destination.ts";
import { NewKey } from "../../src/api/schema.ts";
import { CUSTOM, listProviders, providerOf } from "../../src/catalog/catalog.ts";
import { secretFieldsOf, type Operation, type Provider } from "../../src/catalog/provider.ts";
import { readConfig } from "../../src/config.ts";
import { providersDoc } from "../../src/local/providers_doc.ts";
import { covers, readGlob, readPath } from "../../src/vault/policy/path.ts";
import { CONNECTED_SHAPES } from "./connected_shapes.ts";
import { LLM_SHAPES } from "./llm_shapes.ts";
import { SERVICE_SHAPES } from "./service_shapes.ts";

const PROVIDERS = listProviders();
const DOC = join(import.meta.dirname, "../../docs/providers.md");
const PEM = "-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
const key = `k1:${Buffer.alloc(32).toString("base64")}`;
const DEPLOYED = readConfig({
  PUBLIC_ORIGIN: "https://locker.test",
  PROXY_ORIGIN: "https://proxy.test",
  ROOT_KEYS: key,
  TOKEN_KEYS: key,
});

test.each(PROVIDERS)("$id is well formed and could be stored in a deployment as it is", (provider) => {
  const { id, name, placement, headers, sdk_base_path, docs_url } = provider;
  expect(id).toMatch(/^[a-z][a-z0-9]*(-[a-z0-9]+)*$/);
  expect(name.trim()).not.toBe("");
  expect(new URL(docs_url).protocol).toBe("https:");
  if (sdk_base_path !== undefined) expect(sdk_base_path).toMatch(/^(\/[\w.-]+)+\/?$/);

  const own = provider.base_url_hint?.replace(/<[a-z]+>/g, "mine");
  const secret = Object.fromEntries(
    secretFieldsOf(placement).map((field) => [field, field === "private_key" ? PEM : "s"]),
  );
  const destination = destinationOf({ provider: id, base_url: own }, secret, DEPLOYED);
  // An origin alone: whoever calls through the locker replaces the host and nothing else.
  expect(destination).toMatchObject({ origin: provider.base_url ?? own, base_path: "", placement });

  const stored = { name: "k", provider: id, fields: secret, placement, headers: headers ?? {} };
  expect(NewKey.parse(stored)).toMatchObject({ placement, headers: headers ?? {} });
});

test("ids are unique, and none is the name for a provider that is not listed", () => {
  const ids = PROVIDERS.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  expect(ids).not.toContain(CUSTOM);
});

test("a provider without a test call says why", () => {
  for (const { test, note } of PROVIDERS) if (test === undefined) expect(note).toContain("No test");
});

const OPERATIONS = PROVIDERS.flatMap(({ id, credential_operations = [], echo_operations = [] }) =>
  [...credential_operations, ...echo_operations].map((operation) => ({ id, ...operation })),
);

test.each(OPERATIONS)("$id: $method $path is a glob that covers what it says", ({ path }) => {
  expect(path).toMatch(/^(\/(\*\*|[^/*]*\*?[^/*]*))+$/);
  expect(path).not.toMatch(/\/$|\/\//);
  const one = path.replaceAll("**", "a/b").replaceAll("*", "c");
  expect(covers(readGlob(path), readPath(one, true))).toBe(true);
  expect(covers(readGlob(path), readPath(path.replaceAll("/**", "").replaceAll("*", "c"), true))).toBe(true);
  expect(covers(readGlob(path), readPath(`/elsewhere${one}/further`, true))).toBe(false);
});

test("no operation is listed twice", () => {
  const listed = OPERATIONS.map(({ id, method, path }) => `${id} ${method} ${path}`);
  expect(listed.filter((line, at) => listed.indexOf(line) !== at)).toEqual([]);
});

test.each([
  ["openai", "POST", "/v1/organization/admin_api_keys"],
  ["openai", "POST", "/v1/organization/projects/proj_abc/service_accounts"],
  ["openai", "POST", "/v1/realtime/client_secrets"],
  ["stripe", "POST", "/v1/ephemeral_keys"],
  ["stripe", "POST", "/v1/webhook_endpoints"],
  ["github", "POST", "/app/installations/42/access_tokens"],
  ["github", "POST", "/repos/octocat/Hello-World/keys"],
  ["github", "POST", "/repos/octocat/Hello-World/actions/runners/registration-token"],
  ["github", "POST", "/orgs/octo/actions/runners/generate-jitconfig"],
  ["github", "GET", "/repos/octocat/Hello-World/secret-scanning/alerts/7"],
  ["cloudflare", "POST", "/client/v4/user/tokens"],
  ["cloudflare", "PUT", "/client/v4/user/tokens/ed17/value"],
  ["cloudflare", "POST", "/client/v4/zones/023e/access/service_tokens"],
  ["twilio", "POST", "/2010-04-01/Accounts/AC00/Keys.json"],
  ["twilio", "GET", "/2010-04-01/Accounts/AC00.json"],
  ["twilio", "GET", "/2010-04-01/Accounts.json"],
  ["twilio", "GET", "/2010-04-01/Accounts/AC00"],
  ["sendgrid", "POST", "/v3/api_keys"],
  ["vercel", "POST", "/v3/user/tokens"],
  ["vercel", "GET", "/v9/projects/my-app/env"],
  ["vercel", "GET", "/v1/projects/my-app/env/XMbOEya1gUUO1ir4"],
  ["clerk", "POST", "/v1/sign_in_tokens"],
  ["supabase-management", "GET", "/v1/projects/abc/api-keys"],
  ["supabase-management", "PATCH", "/v1/projects/abc/api-keys/7/"],
  ["resend", "POST", "/api-keys"],
  ["sentry", "PUT", "/api/0/sentry-apps/my-app/"],
  ["sentry", "POST", "/api/0/organizations/my-org/org-auth-tokens/"],
  ["replicate", "GET", "/v1/webhooks/default/secret"],
  ["elevenlabs", "GET", "/v1/user"],
  ["openrouter", "POST", "/api/v1/keys"],
  ["posthog", "POST", "/api/personal_api_keys/"],
  ["shopify", "GET", "/admin/api/2025-07/storefront_access_tokens.json"],
  ["google-service-account", "POST", "/v1/projects/-/serviceAccounts/me@p.iam.gserviceaccount.com:generateAccessToken"],
  ["microsoft-oauth", "POST", "/v1.0/applications/0001/addPassword"],
  ["github-oauth", "POST", "/app/installations/42/access_tokens"],
])("%s: %s %s is known to hand out a credential", (id, method, path) => {
  expect(handsOut(providerOf(id), method, path)).toBe(true);
});

test("neither a test call nor a documented everyday call is taken for one that hands out a credential", () => {
  for (const { id, test } of PROVIDERS)
    if (test !== undefined) expect([id, handsOut(providerOf(id), test.method, test.path)]).toEqual([id, false]);
  for (const { provider, method, path } of [...LLM_SHAPES, ...SERVICE_SHAPES, ...CONNECTED_SHAPES])
    expect([provider, handsOut(providerOf(provider), method, path)]).toEqual([provider, false]);
});

test("docs/providers.md says what the catalog says; UPDATE_DOCS=1 writes it", () => {
  const doc = providersDoc(PROVIDERS);
  if (process.env.UPDATE_DOCS === "1") writeFileSync(DOC, doc);
  expect(existsSync(DOC) ? readFileSync(DOC, "utf8") : "").toBe(doc);
});

function handsOut(provider: Provider | undefined, method: string, path: string): boolean {
  const asked = readPath(path.split("?")[0] ?? "", true);
  const is = ({ method: listed, path: glob }: Operation) =>
    (listed === "*" || listed === method) && covers(readGlob(glob), asked);
  const { credential_operations = [], same_api_as = "" } = provider ?? {};
  return credential_operations.some(is) || (providerOf(same_api_as)?.credential_operations ?? []).some(is);
}
