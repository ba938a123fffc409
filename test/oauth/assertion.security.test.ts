/** Clients that prove themselves by a key of their own (private_key_jwt, RFC 7523). */
import * as jose from "jose";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { ClientHost } from "../support/client_host.ts";
import { newPerson, startLocker } from "../support/locker.ts";
import { codeFor, exchangeOf, register, tokenRequest, type OAuthClient } from "../support/oauth.ts";

const host = new ClientHost("agent.apps-example.com");
const REDIRECT = "https://agent.apps-example.com/callback";
type Pair = { privateKey: jose.CryptoKey; publicKey: jose.CryptoKey };
let locker: LocalLocker;
let ada: Person;
let keys: Pair;
let others: Pair;

beforeAll(async () => {
  locker = await startLocker({ internet: host.internet });
  [ada, keys, others] = await Promise.all([
    newPerson(locker),
    jose.generateKeyPair("ES256", { extractable: true }),
    jose.generateKeyPair("ES256", { extractable: true }),
  ]);
});
afterAll(() => locker.stop());

async function jwks(pair: Pair, kid: string) {
  return { keys: [{ ...(await jose.exportJWK(pair.publicKey)), kid, alg: "ES256", use: "sig" }] };
}

const assertion = (
  client_id: string,
  { pair = keys, kid = "one", audience = locker.publicOrigin, lives = "2m", jti = crypto.randomUUID() } = {},
) =>
  new jose.SignJWT({ jti })
    .setProtectedHeader({ alg: "ES256", kid })
    .setIssuer(client_id)
    .setSubject(client_id)
    .setAudience(audience)
    .setIssuedAt()
    .setExpirationTime(lives)
    .sign(pair.privateKey);

/** Exchanges a fresh code with this proof. */
async function exchange(client: OAuthClient, client_assertion: string): Promise<Response> {
  const { client_id: _in_assertion, ...rest } = exchangeOf(client, await codeFor(ada, client));
  const client_assertion_type = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";
  return tokenRequest(locker, { ...rest, client_assertion_type, client_assertion });
}

async function registered(): Promise<OAuthClient> {
  const said = {
    client_name: "Keyed",
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: "private_key_jwt",
    jwks: await jwks(keys, "one"),
  };
  const { client_id } = await (await register(locker, said)).json<{ client_id: string }>();
  return { client_id, redirect_uri: REDIRECT };
}

async function documented(path: string): Promise<OAuthClient> {
  const jwks_uri = host.serve(`${path}-keys`, await jwks(keys, "one"));
  const client_id = host.describe(path, {
    redirect_uris: [REDIRECT],
    token_endpoint_auth_methods_supported: ["none", "private_key_jwt"],
    jwks_uri,
  });
  return { client_id, redirect_uri: REDIRECT };
}

it("an assertion by the registered key is proof, for the issuer or the token endpoint, once", async () => {
  const client = await registered();
  for (const audience of [locker.publicOrigin, `${locker.publicOrigin}/token`]) {
    const shown = await assertion(client.client_id, { audience });
    expect((await exchange(client, shown)).status).toBe(200);
    const again = await exchange(client, shown);
    expect(again.status).toBe(401);
    expect(await again.json()).toMatchObject({ error: "invalid_client" });
  }
});

it.each([
  ["by another key", { pair: "others" }],
  ["for somebody else", { audience: "https://elsewhere.example" }],
  ["of another time", { lives: "-5m" }],
  ["that lives too long", { lives: "2h" }],
] as const)(
  "an assertion %s is none",
  async (_what, { pair, ...wishes }: { pair?: string; audience?: string; lives?: string }) => {
    const client = await registered();
    const shown = await assertion(client.client_id, { ...wishes, ...(pair === undefined ? {} : { pair: others }) });
    expect((await exchange(client, shown)).status).toBe(401);
  },
);

it("an assertion without a signature, or signed with what everybody can read, is none", async () => {
  const client = await registered();
  const claims = { iss: client.client_id, sub: client.client_id, aud: locker.publicOrigin, jti: "x" };
  const unsigned = new jose.UnsecuredJWT(claims).setExpirationTime("2m").encode();
  const shared = new TextEncoder().encode(JSON.stringify(await jwks(keys, "one")));
  const symmetric = await new jose.SignJWT(claims)
    .setProtectedHeader({ alg: "HS256" })
    .setExpirationTime("2m")
    .sign(shared);
  for (const shown of [unsigned, symmetric, "nonsense", "a.b.c"])
    expect((await exchange(client, shown)).status).toBe(401);
});

it("a client that must prove itself is not believed without", async () => {
  const client = await registered();
  const answer = await tokenRequest(locker, exchangeOf(client, await codeFor(ada, client)));
  expect(answer.status).toBe(401);
});

it("one client's key proves no other client", async () => {
  const [one, other] = [await registered(), await registered()];
  expect((await exchange(other, await assertion(one.client_id))).status).toBe(400);
});

it("a client with a document may use the keys that its document names, or none where it says so", async () => {
  const client = await documented("/keyed");
  expect((await exchange(client, await assertion(client.client_id))).status).toBe(200);
  expect((await tokenRequest(locker, exchangeOf(client, await codeFor(ada, client)))).status).toBe(200);
  expect((await exchange(client, await assertion(client.client_id, { pair: others }))).status).toBe(401);
});

it("keys of a document are asked for when they are needed, and not over and over for whoever shows unknown ones", async () => {
  const client = await documented("/rotated");
  const path = "/rotated-keys";
  expect((await exchange(client, await assertion(client.client_id))).status).toBe(200);
  expect(host.count(path)).toBe(1);
  for (let n = 0; n < 3; n++)
    expect((await exchange(client, await assertion(client.client_id, { pair: others, kid: "new" }))).status).toBe(401);
  expect(host.count(path)).toBe(1);
});

it("a client whose document names other keys each time makes us ask for a few of them a day, and no more", async () => {
  const answers: number[] = [];
  for (let n = 0; n < 7; n++) {
    const jwks_uri = host.serve(`/moving-keys-${n}`, await jwks(keys, "one"));
    const told = { redirect_uris: [REDIRECT], token_endpoint_auth_method: "private_key_jwt", jwks_uri };
    const client_id = host.describe("/moving", told, { "cache-control": "no-store" });
    const client = { client_id, redirect_uri: REDIRECT };
    answers.push((await exchange(client, await assertion(client_id))).status);
  }
  expect(answers).toEqual([200, 200, 200, 200, 200, 401, 401]);
  expect(host.asked.filter(({ url }) => url.includes("/moving-keys-"))).toHaveLength(5);
});

it("a client that only registered itself cannot make us fetch keys from anywhere", async () => {
  const said = {
    redirect_uris: [REDIRECT],
    token_endpoint_auth_method: "private_key_jwt",
    jwks_uri: "https://agent.apps-example.com/keys",
  };
  const answer = await register(locker, said);
  expect(answer.status).toBe(400);
  expect(await answer.json()).toMatchObject({ error: "invalid_client_metadata" });
});
