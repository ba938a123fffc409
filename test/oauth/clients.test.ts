/** Clients that nobody here wrote go through the whole flow over HTTP, with all their checks on. */
import { auth as authV1, type OAuthClientProvider as ProviderV1 } from "@modelcontextprotocol/sdk/client/auth.js";
import { Client as ClientV1 } from "@modelcontextprotocol/sdk/client/index.js";
import { StreamableHTTPClientTransport as TransportV1 } from "@modelcontextprotocol/sdk/client/streamableHttp.js";
import {
  auth as authV2,
  Client as ClientV2,
  StreamableHTTPClientTransport as TransportV2,
  type OAuthClientProvider as ProviderV2,
} from "@modelcontextprotocol/client";
import * as oauth from "oauth4webapi";
import * as openid from "openid-client";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { ClientHost } from "../support/client_host.ts";
import { newPerson, startLocker, storeKey } from "../support/locker.ts";
import { authorizePath, consent, pkce, registerClient, resourceOf } from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

const host = new ClientHost("sdk.apps-example.com");
let locker: LocalLocker;
let upstream: Upstream;
let ada: Person;

beforeAll(async () => {
  const down = () => new Response("", { status: 503 });
  const vendors = ["claude.ai", "chatgpt.com", "vscode.dev", "zed.dev", "opencode.ai"];
  const internet = { ...host.internet, ...Object.fromEntries(vendors.map((vendor) => [vendor, down])) };
  [locker, upstream] = await Promise.all([startLocker({ internet }), startUpstream()]);
  ada = await newPerson(locker);
  await storeKey(ada, "k", upstream.origin);
});
afterAll(async () => {
  await Promise.all([locker.stop(), upstream.stop()]);
});

const REDIRECT = "http://127.0.0.1:49152/callback";
const works = async (token: string) =>
  (await fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } })).status;
/** What the person does in the browser that a client has opened. */
const browse = (url: URL | string) => {
  const { pathname, search } = new URL(url);
  return consent(ada, pathname + search);
};

describe("oauth4webapi", () => {
  const insecure = { [oauth.allowInsecureRequests]: true };

  it("discovers, registers, authorizes, refreshes, asks and revokes", async () => {
    const resource = new URL(resourceOf(locker));
    const described = await oauth.processResourceDiscoveryResponse(
      resource,
      await oauth.resourceDiscoveryRequest(resource, insecure),
    );
    const issuer = new URL(described.authorization_servers?.[0] ?? "");
    const server = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
    );
    const client = await oauth.processDynamicClientRegistrationResponse(
      await oauth.dynamicClientRegistrationRequest(
        server,
        { redirect_uris: [REDIRECT], token_endpoint_auth_method: "client_secret_post", client_name: "oauth4webapi" },
        insecure,
      ),
    );
    const prove = oauth.ClientSecretPost(client.client_secret as string);
    const [verifier, state] = [oauth.generateRandomCodeVerifier(), oauth.generateRandomState()];
    const url = new URL(server.authorization_endpoint ?? "");
    const asked = {
      client_id: client.client_id,
      redirect_uri: REDIRECT,
      response_type: "code",
      scope: described.scopes_supported?.join(" ") ?? "",
      code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
      code_challenge_method: "S256",
      state,
      resource: described.resource,
    };
    for (const [name, value] of Object.entries(asked)) url.searchParams.set(name, value);
    const answered = oauth.validateAuthResponse(server, client, await browse(url), state);
    const tokens = await oauth.processAuthorizationCodeResponse(
      server,
      client,
      await oauth.authorizationCodeGrantRequest(server, client, prove, answered, REDIRECT, verifier, {
        additionalParameters: { resource: described.resource },
        ...insecure,
      }),
    );
    expect(await works(tokens.access_token)).toBe(200);
    const next = await oauth.processRefreshTokenResponse(
      server,
      client,
      await oauth.refreshTokenGrantRequest(server, client, prove, tokens.refresh_token as string, insecure),
    );
    expect(await works(next.access_token)).toBe(200);
    const told = await oauth.processIntrospectionResponse(
      server,
      client,
      await oauth.introspectionRequest(server, client, prove, next.access_token, insecure),
    );
    expect(told).toMatchObject({ active: true, client_id: client.client_id, aud: described.resource });
    await oauth.processRevocationResponse(
      await oauth.revocationRequest(server, client, prove, next.refresh_token as string, insecure),
    );
    expect(await works(next.access_token)).toBe(401);
  });

  it("sees an answer of another issuer for what it is (mix-up), since ours always names itself", async () => {
    const issuer = new URL(locker.publicOrigin);
    const server = await oauth.processDiscoveryResponse(
      issuer,
      await oauth.discoveryRequest(issuer, { algorithm: "oauth2", ...insecure }),
    );
    expect(server.authorization_response_iss_parameter_supported).toBe(true);
    const client = await registerClient(locker);
    const answer = await browse(locker.publicOrigin + authorizePath(client, pkce().challenge));
    expect(() => oauth.validateAuthResponse(server, client, answer, "the-state")).not.toThrow();
    const mixed = new URL(answer);
    mixed.searchParams.set("iss", "https://evil.example");
    expect(() => oauth.validateAuthResponse(server, client, mixed, "the-state")).toThrow(/iss/);
    mixed.searchParams.delete("iss");
    expect(() => oauth.validateAuthResponse(server, client, mixed, "the-state")).toThrow(/iss/);
  });
});

it("openid-client registers, authorizes and refreshes", async () => {
  const config = await openid.dynamicClientRegistration(
    new URL(locker.publicOrigin),
    { redirect_uris: [REDIRECT], token_endpoint_auth_method: "none", client_name: "openid-client" },
    openid.None(),
    { algorithm: "oauth2", execute: [openid.allowInsecureRequests] },
  );
  const verifier = openid.randomPKCECodeVerifier();
  const state = openid.randomState();
  const resource = resourceOf(locker);
  const url = openid.buildAuthorizationUrl(config, {
    redirect_uri: REDIRECT,
    scope: "vault:proxy",
    state,
    resource,
    code_challenge: await openid.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  });
  const checks = { pkceCodeVerifier: verifier, expectedState: state };
  const tokens = await openid.authorizationCodeGrant(config, await browse(url), checks, { resource });
  expect(tokens.scope).toBe("vault:proxy");
  expect(await works(tokens.access_token)).toBe(200);
  const next = await openid.refreshTokenGrant(config, tokens.refresh_token as string, { resource });
  expect(await works(next.access_token)).toBe(200);
  await openid.tokenRevocation(config, next.refresh_token as string);
  expect(await works(next.access_token)).toBe(401);
});

/** What an MCP client keeps: the providers of both SDKs are of one shape as far as this goes. */
class Store {
  readonly clientMetadataUrl: string | undefined;
  readonly redirectUrl = REDIRECT;
  readonly clientMetadata = {
    client_name: "MCP client",
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: "none",
    grant_types: ["authorization_code", "refresh_token"],
    response_types: ["code"],
  };
  opened: URL | undefined;
  #client: { client_id: string } | undefined;
  #tokens: { access_token: string; token_type: string; refresh_token?: string } | undefined;
  #verifier = "";
  #state = "";

  constructor(clientMetadataUrl?: string) {
    this.clientMetadataUrl = clientMetadataUrl;
  }
  state(): string {
    return (this.#state = crypto.randomUUID());
  }
  clientInformation() {
    return this.#client;
  }
  saveClientInformation(client: { client_id: string }): void {
    this.#client = client;
  }
  tokens() {
    return this.#tokens;
  }
  saveTokens(tokens: { access_token: string; token_type: string; refresh_token?: string }): void {
    this.#tokens = tokens;
  }
  invalidateCredentials(): void {
    this.#tokens = undefined;
  }
  redirectToAuthorization(url: URL): void {
    this.opened = url;
  }
  saveCodeVerifier(verifier: string): void {
    this.#verifier = verifier;
  }
  codeVerifier(): string {
    return this.#verifier;
  }
  /** The person consents; what came back to the client's address. */
  async answer(): Promise<{ authorizationCode: string; iss: string }> {
    const back = await browse(this.opened as URL);
    expect(back.searchParams.get("state")).toBe(this.#state);
    return { authorizationCode: back.searchParams.get("code") ?? "", iss: back.searchParams.get("iss") ?? "" };
  }
}

/** Either SDK's own function, with the address that a person types as all it is told. */
const SDKS: [string, (store: Store, more?: { authorizationCode: string; iss: string }) => Promise<string>][] = [
  ["v1", (store, more) => authV1(store as unknown as ProviderV1, { serverUrl: resourceOf(locker), ...more })],
  ["v2", (store, more) => authV2(store as unknown as ProviderV2, { serverUrl: resourceOf(locker), ...more })],
];

describe.each(SDKS)("the MCP SDK %s", (_version, auth) => {
  it("needs the address only: it finds, registers, authorizes and refreshes by itself", async () => {
    const store = new Store();
    expect(await auth(store)).toBe("REDIRECT");
    expect(store.opened?.searchParams.get("resource")).toBe(resourceOf(locker));
    expect(await auth(store, await store.answer())).toBe("AUTHORIZED");
    const first = store.tokens();
    expect(await works(first?.access_token ?? "")).toBe(200);
    expect(await auth(store)).toBe("AUTHORIZED");
    expect(store.tokens()?.refresh_token).not.toBe(first?.refresh_token);
    expect(await works(store.tokens()?.access_token ?? "")).toBe(200);
  });

  it("comes with a document instead of registering, where it has one", async () => {
    const path = `/${_version}/client.json`;
    const id = host.describe(path, { redirect_uris: ["http://127.0.0.1/callback"] });
    const store = new Store(id);
    expect(await auth(store)).toBe("REDIRECT");
    expect(store.opened?.searchParams.get("client_id")).toBe(id);
    expect(await auth(store, await store.answer())).toBe("AUTHORIZED");
    expect(await works(store.tokens()?.access_token ?? "")).toBe(200);
  });

  it("starts over, without anybody's help, once its grant was ended", async () => {
    const store = new Store();
    await auth(store);
    await auth(store, await store.answer());
    const { items } = await ada.api<{ items: { id: string }[] }>("GET", "/v1/grants");
    await ada.api("DELETE", `/v1/grants/${items[0]?.id}`);
    expect(await auth(store)).toBe("REDIRECT");
  });
});

describe("an MCP client that is given nothing but the address", () => {
  const CLIENT = { name: "test", version: "1" };

  it("of SDK v1 is challenged, comes back with a token and sees the tools", async () => {
    const store = new Store();
    const open = () => new TransportV1(new URL(resourceOf(locker)), { authProvider: store as unknown as ProviderV1 });
    const first = open();
    await expect(new ClientV1(CLIENT).connect(first as never)).rejects.toThrow(/Unauthorized/);
    expect(store.opened?.searchParams.get("scope")).toBe("vault:read vault:proxy vault:write");
    await first.finishAuth((await store.answer()).authorizationCode);
    const client = new ClientV1(CLIENT);
    await client.connect(open() as never);
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("list_keys");
    await client.close();
  });

  it("of SDK v2, in the era of today, as well", async () => {
    const store = new Store();
    const open = () => new TransportV2(new URL(resourceOf(locker)), { authProvider: store as unknown as ProviderV2 });
    const speak = () => new ClientV2(CLIENT, { versionNegotiation: { mode: "auto" } });
    const first = open();
    await expect(speak().connect(first)).rejects.toThrow(/Unauthorized/);
    const { authorizationCode: code, iss } = await store.answer();
    await first.finishAuth(new URLSearchParams({ code, iss }));
    const client = speak();
    await client.connect(open());
    expect((await client.listTools()).tools.map(({ name }) => name)).toContain("list_keys");
    await client.close();
  });
});

describe("registrations as real clients send them", () => {
  const common = { grant_types: ["authorization_code", "refresh_token"], response_types: ["code"] };
  const none = { token_endpoint_auth_method: "none" };
  it.each([
    [
      "Claude",
      {
        client_name: "Claude",
        ...common,
        ...none,
        redirect_uris: ["https://claude.ai/api/mcp/auth_callback"],
        scope: "vault:read",
      },
      "https://claude.ai/api/mcp/auth_callback",
    ],
    [
      "Claude Code",
      { client_name: "Claude Code (vault)", ...common, ...none, redirect_uris: ["http://localhost:54220/callback"] },
      "http://localhost:61001/callback",
    ],
    [
      "ChatGPT",
      {
        client_name: "ChatGPT",
        ...common,
        ...none,
        redirect_uris: ["https://chatgpt.com/connector_platform_oauth_redirect"],
      },
      "https://chatgpt.com/connector_platform_oauth_redirect",
    ],
    [
      "Codex",
      {
        client_name: "Codex",
        ...common,
        ...none,
        redirect_uris: ["http://127.0.0.1:40001/callback"],
        application_type: "native",
      },
      "http://127.0.0.1:51234/callback",
    ],
    [
      "VS Code",
      {
        client_name: "Visual Studio Code",
        client_uri: "https://code.visualstudio.com",
        grant_types: ["authorization_code", "refresh_token", "urn:ietf:params:oauth:grant-type:device_code"],
        response_types: ["code"],
        ...none,
        application_type: "native",
        redirect_uris: [
          "https://insiders.vscode.dev/redirect",
          "https://vscode.dev/redirect",
          "http://127.0.0.1/",
          "http://127.0.0.1:33418/",
        ],
      },
      "http://127.0.0.1:33418/",
    ],
    [
      "Cursor",
      {
        client_name: "Cursor",
        ...common,
        ...none,
        redirect_uris: [
          "http://localhost:8787/callback",
          "https://www.cursor.com/agents/mcp/oauth/callback",
          "cursor://anysphere.cursor-mcp/oauth/callback",
        ],
      },
      "http://localhost:8787/callback",
    ],
    [
      "Zed",
      { client_name: "Zed", ...common, ...none, redirect_uris: ["http://127.0.0.1:50123/callback"] },
      "http://127.0.0.1:50999/callback",
    ],
    [
      "opencode",
      {
        client_name: "OpenCode",
        client_uri: "https://opencode.ai",
        ...common,
        ...none,
        redirect_uris: ["http://127.0.0.1:19876/mcp/oauth/callback"],
      },
      "http://127.0.0.1:19876/mcp/oauth/callback",
    ],
    [
      "Gemini CLI",
      {
        client_name: "Gemini CLI MCP Client",
        ...common,
        ...none,
        redirect_uris: ["http://localhost:7777/oauth/callback"],
        code_challenge_method: ["S256"],
        scope: "",
      },
      "http://localhost:40123/oauth/callback",
    ],
  ])("%s", async (_name, said, redirect_uri) => {
    const client = { ...(await registerClient(locker, said)), redirect_uri };
    const back = await consent(ada, authorizePath(client, pkce().challenge, { resource: resourceOf(locker) }));
    expect(back.href.startsWith(redirect_uri)).toBe(true);
    expect(back.searchParams.get("iss")).toBe(locker.publicOrigin);
  });
});

describe("clients that come with their documents, while their hosts cannot be reached", () => {
  it.each([
    ["https://claude.ai/oauth/mcp-oauth-client-metadata", "https://claude.com/api/mcp/auth_callback"],
    ["https://claude.ai/oauth/claude-code-client-metadata", "http://localhost:54220/callback"],
    ["https://chatgpt.com/oauth/client.json", "https://chatgpt.com/connector_platform_oauth_redirect"],
    ["https://chatgpt.com/oauth/codex/client.json", "http://127.0.0.1:51234/callback"],
    ["https://vscode.dev/oauth/client-metadata.json", "http://127.0.0.1:33418/"],
    ["https://zed.dev/oauth/client-metadata.json", "http://127.0.0.1:50123/callback"],
    ["https://opencode.ai/oauth/opencode/client.json", "http://127.0.0.1:19876/mcp/oauth/callback"],
  ])("%s", async (client_id, redirect_uri) => {
    const back = await consent(ada, authorizePath({ client_id, redirect_uri }, pkce().challenge));
    expect(back.href.startsWith(redirect_uri)).toBe(true);
  });
});
