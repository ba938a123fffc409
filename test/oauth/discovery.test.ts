import { expect, it } from "vitest";
import { usualLocker } from "../support/locker.ts";

const locker = await usualLocker();

const get = (path: string, init: RequestInit = {}) => fetch(locker.publicOrigin + path, init);

const SERVER = [
  "/.well-known/oauth-authorization-server",
  "/.well-known/oauth-authorization-server/v1/mcp",
  "/.well-known/openid-configuration",
  "/.well-known/openid-configuration/v1/mcp",
  "/v1/mcp/.well-known/openid-configuration",
  "/v1/mcp/.well-known/oauth-authorization-server",
];
const RESOURCE = [
  "/.well-known/oauth-protected-resource",
  "/.well-known/oauth-protected-resource/v1/mcp",
  "/v1/mcp/.well-known/oauth-protected-resource",
];

it.each(SERVER)("%s tells what the authorization server does (RFC 8414)", async (path) => {
  const answer = await get(path);
  expect(answer.status).toBe(200);
  expect(answer.headers.get("content-type")).toBe("application/json");
  const origin = locker.publicOrigin;
  expect(await answer.json()).toMatchObject({
    issuer: origin,
    authorization_endpoint: `${origin}/authorize`,
    token_endpoint: `${origin}/token`,
    registration_endpoint: `${origin}/register`,
    response_types_supported: ["code"],
    code_challenge_methods_supported: ["S256"],
    authorization_response_iss_parameter_supported: true,
    token_endpoint_auth_methods_supported: expect.arrayContaining(["none"]) as unknown,
    grant_types_supported: expect.arrayContaining(["authorization_code"]) as unknown,
    protected_resources: [`${origin}/v1/mcp`],
  });
});

it.each(RESOURCE)(
  "%s tells what the resource is, whole with its path, and what to ask for (RFC 9728)",
  async (path) => {
    const answer = await get(path);
    expect(answer.status).toBe(200);
    const document = await answer.json<{ scopes_supported: string[] }>();
    expect(document).toMatchObject({
      resource: `${locker.publicOrigin}/v1/mcp`,
      authorization_servers: [locker.publicOrigin],
      bearer_methods_supported: ["header"],
    });
    expect(document.scopes_supported).not.toContain("vault:reveal");
    expect(document.scopes_supported).not.toContain("offline_access");
  },
);

it("wherever a client may prove itself by a key, it is told with which algorithms (RFC 8414 §2)", async () => {
  const document = await (await get("/.well-known/oauth-authorization-server")).json<Record<string, string[]>>();
  const endpoints = ["token", "revocation", "introspection"];
  for (const endpoint of endpoints) {
    expect(document[`${endpoint}_endpoint_auth_methods_supported`], endpoint).toContain("private_key_jwt");
    expect(document[`${endpoint}_endpoint_auth_signing_alg_values_supported`], endpoint).toContain("RS256");
  }
});

it("every endpoint that is told of is there", async () => {
  const document = await (await get("/.well-known/oauth-authorization-server")).json<Record<string, string>>();
  for (const [name, url] of Object.entries(document).filter(([name]) => name.endsWith("_endpoint"))) {
    const answer = await fetch(url, { method: "GET", redirect: "manual" });
    expect([400, 405, 422], name).toContain(answer.status);
    expect(answer.headers.get("content-type"), name).not.toContain("text/html");
    expect(await answer.text(), name).not.toContain("Nothing is served at this path");
  }
});

it("an unknown document is 404 in JSON, also for a browser, with CORS", async () => {
  for (const path of [
    "/.well-known/nonsense",
    "/.well-known/oauth-protected-resource/v1/other",
    "/v1/mcp/.well-known/x",
  ]) {
    const answer = await get(path, { headers: { accept: "text/html" } });
    expect(answer.status, path).toBe(404);
    expect(answer.headers.get("content-type")).toMatch(/json/);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
  }
});

it("nothing is told from what a request calls us", async () => {
  const { port } = new URL(locker.publicOrigin);
  const answer = await get("/.well-known/oauth-authorization-server", {
    headers: { "x-forwarded-host": "evil.example", "x-forwarded-proto": "https", forwarded: "host=evil.example" },
  });
  expect(await answer.text()).not.toContain("evil");
  const byAddress = await fetch(`http://127.0.0.1:${port}/.well-known/oauth-authorization-server`);
  expect(byAddress.status).toBe(421);
});

it.each([...SERVER, ...RESOURCE, "/token", "/register", "/register/cli_x"])(
  "a browser may ask %s from anywhere, without proving anything first",
  async (path) => {
    const answer = await get(path, {
      method: "OPTIONS",
      headers: {
        origin: "https://client.example",
        "access-control-request-method": "POST",
        "access-control-request-headers": "authorization, content-type, mcp-protocol-version",
      },
    });
    expect(answer.status).toBe(204);
    expect(answer.headers.get("access-control-allow-origin")).toBe("*");
    const allowed = answer.headers.get("access-control-allow-headers")?.toLowerCase() ?? "";
    for (const name of ["authorization", "content-type", "mcp-protocol-version"]) expect(allowed).toContain(name);
    const exposed = answer.headers.get("access-control-expose-headers") ?? "";
    for (const name of ["WWW-Authenticate", "Mcp-Session-Id", "Retry-After", "DPoP-Nonce"])
      expect(exposed).toContain(name);
    expect(answer.headers.get("access-control-allow-credentials")).toBeNull();
  },
);
