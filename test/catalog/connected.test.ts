import { generateKeyPairSync } from "node:crypto";
import { afterAll, beforeAll, expect, test } from "vitest";
import { listProviders, providerOf } from "../../src/catalog/catalog.ts";
import type { OAuthPlacement } from "../../src/catalog/provider.ts";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { browserOf } from "../support/connecting.ts";
import { eventually, mintToken, newPerson, usualLocker } from "../support/locker.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";
import { CONNECTED_SHAPES, type ConnectedShape } from "./connected_shapes.ts";

/** Providers that are connected by OAuth, tried with what their documentation prints: the call, and the way to a new token. */
let locker: LocalLocker;
let api: Upstream;
let endpoint: Upstream;
let ada: Person;
let token: string;
let answering: ConnectedShape;

const { privateKey } = generateKeyPairSync("rsa", { modulusLength: 2048 });
const private_key = privateKey.export({ type: "pkcs8", format: "pem" }).toString();
const CLIENT = { client_id: "client.with-signs_0", client_secret: "secret/with+signs" };

beforeAll(async () => {
  locker = await usualLocker();
  api = await startUpstream();
  endpoint = await startUpstream((_request, response) => {
    const said = JSON.stringify(answering.token.answer)
      .replace("$ACCESS", `access-${answering.provider}`)
      .replace("$REFRESH", `refresh-${answering.provider}-2`);
    response.writeHead(200, { "content-type": "application/json" }).end(said);
  });
  ada = await newPerson(locker);
  for (const { provider } of CONNECTED_SHAPES) {
    const placement = placementOf(provider);
    const fields =
      placement.grant === "jwt_bearer"
        ? { client_id: CLIENT.client_id, private_key }
        : { ...CLIENT, refresh_token: `refresh-${provider}-1` };
    const here = { ...placement, token_url: `${endpoint.origin}/token` };
    await ada.api("POST", "/v1/keys", { name: provider, provider, base_url: api.origin, placement: here, fields });
  }
  ({ token } = await mintToken(ada));
});
afterAll(async () => {
  await api.stop();
  await endpoint.stop();
});

test.each(CONNECTED_SHAPES)(
  "$provider: its documented call is made with a token that was had as it documents",
  async (shape) => {
    answering = shape;
    endpoint.seen.length = 0;
    const { provider, method, path, headers, body } = shape;
    const sent = Object.entries(headers ?? {}).map(([name, value]) => [name, value.replace("$KEY", token)]);
    const init = {
      method,
      headers: Object.fromEntries(sent) as Record<string, string>,
      ...(body === undefined ? {} : { body }),
    };
    expect((await fetch(`${locker.proxyOrigin}/v1/proxy/${provider}${path}`, init)).status).toBe(200);

    const called = api.seen.at(-1);
    expect(called).toMatchObject({ method, url: path });
    expect(called?.headers).toMatchObject({
      ...providerOf(provider)?.headers,
      authorization: `Bearer access-${provider}`,
    });
    expect(called?.body.toString()).toBe(body ?? "");
    expect(endpoint.seen).toHaveLength(1);
    expect(askedFor(shape)).toMatchObject(wantedOf(shape));
    const key = await ada.api<{ connection: string }>("GET", `/v1/keys/${provider}`);
    expect(key.connection).toBe("connected");
  },
);

test.each(CONNECTED_SHAPES)(
  "$provider: endpoints and the way to them are those that it documents",
  async ({ provider, authorize, token: { at } }) => {
    const { token_url, authorize_url, scopes = "" } = placementOf(provider);
    expect(token_url).toBe(at);
    if (authorize === undefined) return expect(authorize_url).toBeUndefined();
    const { url } = await ada.api<{ url: string }>("POST", `/v1/keys/${provider}/connect`);
    const answer = await browserOf(ada).visit(url, { method: "POST", headers: { origin: locker.publicOrigin } });
    const sent = new URL(answer.headers.get("location") ?? "");
    const documented = new URL(authorize);
    expect(sent.origin + sent.pathname).toBe(documented.origin + documented.pathname);
    const { state, code_challenge, ...rest } = Object.fromEntries(sent.searchParams);
    expect([state, code_challenge]).toEqual([expect.stringMatching(/^.{40,}$/), expect.stringMatching(/^[\w-]{43}$/)]);
    expect(rest).toEqual({
      ...Object.fromEntries(documented.searchParams),
      response_type: "code",
      client_id: CLIENT.client_id,
      redirect_uri: `${locker.publicOrigin}/connect/callback`,
      code_challenge_method: "S256",
      ...(scopes === "" ? {} : { scope: scopes }),
    });
  },
);

test("every provider that is connected has its shapes here", () => {
  const shown = new Set(CONNECTED_SHAPES.map(({ provider }) => provider));
  const connected = listProviders().filter(({ placement }) => placement.in === "oauth");
  expect(connected.filter(({ id }) => !shown.has(id))).toEqual([]);
  expect(connected).toHaveLength(CONNECTED_SHAPES.length);
});

test("all of that is in the activity, under no name of a token", async () => {
  const rows = await eventually(async () => {
    const text = await (await ada.fetch("/v1/activity?action=connection.renew&limit=200")).text();
    return text.includes("google-oauth") && text;
  });
  expect(rows).not.toMatch(/access-google|refresh-google/);
});

function placementOf(provider: string): OAuthPlacement {
  const placement = providerOf(provider)?.placement;
  if (placement?.in !== "oauth") throw new Error(`${provider} is not connected by OAuth`);
  return placement;
}

/** What the token endpoint saw, whichever way it was spelled. */
function askedFor({ token: { format } }: ConnectedShape) {
  const [seen] = endpoint.seen;
  const text = seen?.body.toString() ?? "";
  return {
    type: seen?.headers["content-type"]?.split(";")[0],
    accept: seen?.headers.accept,
    authorization: seen?.headers.authorization ?? null,
    ...(format === "json" ? (JSON.parse(text) as object) : Object.fromEntries(new URLSearchParams(text))),
  };
}

function wantedOf({ provider, token: { client, format } }: ConnectedShape) {
  const pair = `${CLIENT.client_id}:${encodeURIComponent(CLIENT.client_secret)}`;
  const said = {
    type: format === "json" ? "application/json" : "application/x-www-form-urlencoded",
    accept: "application/json",
    authorization: client === "basic" ? `Basic ${Buffer.from(pair).toString("base64")}` : null,
  };
  if (client === "assertion")
    return {
      ...said,
      grant_type: "urn:ietf:params:oauth:grant-type:jwt-bearer",
      assertion: expect.stringMatching(/^ey.+\..+\..+$/) as string,
    };
  return {
    ...said,
    grant_type: "refresh_token",
    refresh_token: `refresh-${provider}-1`,
    ...(client === "post" ? CLIENT : {}),
  };
}
