/** Authorization codes and consent handles in the wrong hands (RFC 9700 §4.2, §4.4, §4.5, §4.7, §4.8; MCP security). */
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";
import { activity, newPerson, storeKey, usualLocker } from "../support/locker.ts";
import {
  authorizePath,
  codeFor,
  connect,
  consent,
  exchangeOf,
  formOf,
  handleIn,
  pkce,
  registerClient,
  tokenRequest,
  type OAuthClient,
} from "../support/oauth.ts";
import { startUpstream, type Upstream } from "../support/upstream.ts";

let locker: LocalLocker;
let upstream: Upstream;

beforeAll(async () => {
  [locker, upstream] = await Promise.all([usualLocker(), startUpstream()]);
});
afterAll(() => upstream.stop());

async function somebody(): Promise<{ ada: Person; client: OAuthClient }> {
  const [ada, client] = await Promise.all([newPerson(locker), registerClient(locker)]);
  await storeKey(ada, "k", upstream.origin);
  return { ada, client };
}

const call = (token: string) =>
  fetch(`${locker.proxyOrigin}/v1/proxy/k/x`, { headers: { authorization: `Bearer ${token}` } });
const errorOf = async (answer: Response) => ({
  status: answer.status,
  error: (await answer.json<{ error: string }>()).error,
});
const INVALID_GRANT = { status: 400, error: "invalid_grant" };

describe("a code", () => {
  it("is worth one exchange of a hundred at once, and what that one got is dead after the others", async () => {
    const { ada, client } = await somebody();
    const exchange = exchangeOf(client, await codeFor(ada, client));
    const answers = await Promise.all(Array.from({ length: 100 }, () => tokenRequest(locker, exchange)));
    const won = answers.filter(({ status }) => status === 200);
    expect(won).toHaveLength(1);
    for (const lost of answers.filter(({ status }) => status !== 200))
      expect(await errorOf(lost)).toEqual(INVALID_GRANT);
    const { access_token } = (await won[0]?.json<{ access_token: string }>()) ?? { access_token: "" };
    expect((await call(access_token)).status).toBe(401);
  });

  it("that is replayed ends what it was exchanged for, once, with a row that says why", async () => {
    const { ada, client } = await somebody();
    const exchange = exchangeOf(client, await codeFor(ada, client));
    const { access_token } = await (await tokenRequest(locker, exchange)).json<{ access_token: string }>();
    expect((await call(access_token)).status).toBe(200);
    const other = await connect(locker, ada, { client });
    for (let n = 0; n < 2; n++) expect(await errorOf(await tokenRequest(locker, exchange))).toEqual(INVALID_GRANT);
    expect((await call(access_token)).status).toBe(401);
    expect((await call(other.access_token)).status, "another grant of the same client lives on").toBe(200);
    const rows = (await activity(ada)).filter(({ rule }) => rule === "code_replayed");
    expect(rows).toHaveLength(1);
  });

  it("is worth nothing without its verifier, with another's, or with the challenge itself", async () => {
    const { ada, client } = await somebody();
    const proof = await codeFor(ada, client);
    const { code_verifier: _left_out, ...without } = exchangeOf(client, proof);
    expect((await errorOf(await tokenRequest(locker, without))).status).toBe(400);
    for (const verifier of [pkce().verifier, pkce().challenge, `${proof.verifier} `, "short"])
      expect(await errorOf(await tokenRequest(locker, exchangeOf(client, { ...proof, verifier })))).toEqual(
        INVALID_GRANT,
      );
    expect((await tokenRequest(locker, exchangeOf(client, proof))).status).toBe(200);
  });

  it("injected into another client's exchange, or into another request of the same client, is refused", async () => {
    const { ada, client } = await somebody();
    const stolen = await codeFor(ada, client);
    const evil = await registerClient(locker, { client_name: "Evil" });
    expect(await errorOf(await tokenRequest(locker, exchangeOf(evil, stolen)))).toEqual(INVALID_GRANT);
    const own = await codeFor(ada, client);
    const injected = exchangeOf(client, { code: stolen.code, verifier: own.verifier });
    expect(await errorOf(await tokenRequest(locker, injected))).toEqual(INVALID_GRANT);
  });

  it("goes only with the redirect URI that it was sent to", async () => {
    const { ada } = await somebody();
    const redirect_uris = ["https://a.example.com/cb", "https://b.example.com/cb"];
    const client = await registerClient(locker, { redirect_uris });
    const proof = await codeFor(ada, client);
    const other = exchangeOf({ ...client, redirect_uri: "https://b.example.com/cb" }, proof);
    expect(await errorOf(await tokenRequest(locker, other))).toEqual(INVALID_GRANT);
  });

  it("opens the vault of its own person only: the token reaches no key of whoever brings the code", async () => {
    const { ada, client } = await somebody();
    const eve = await newPerson(locker, "eve");
    await storeKey(eve, "eves", upstream.origin);
    const { access_token } = await connect(locker, eve, { client });
    expect((await call(access_token)).status).toBe(404);
    expect((await ada.api<{ items: unknown[] }>("GET", "/v1/grants")).items).toEqual([]);
  });

  it("is no access token, and an access token is no code", async () => {
    const { ada, client } = await somebody();
    const proof = await codeFor(ada, client);
    expect((await call(proof.code)).status).toBe(401);
    const { access_token } = await connect(locker, ada, { client });
    const swapped = exchangeOf(client, { ...proof, code: access_token });
    expect(await errorOf(await tokenRequest(locker, swapped))).toEqual(INVALID_GRANT);
    expect(await errorOf(await tokenRequest(locker, exchangeOf(client, { ...proof, code: "nonsense" })))).toEqual(
      INVALID_GRANT,
    );
  });
});

describe("a consent handle", () => {
  it("works once", async () => {
    const { ada, client } = await somebody();
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge))).text();
    const post = () => ada.fetch("/authorize", { method: "POST", body: formOf(page) });
    const answers = await Promise.all([post(), post(), post()]);
    expect(answers.map(({ status }) => status).sort()).toEqual([303, 404, 404]);
  });

  it("is used up by a no as well", async () => {
    const { ada, client } = await somebody();
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge))).text();
    expect((await ada.fetch("/authorize", { method: "POST", body: formOf(page, { decision: "deny" }) })).status).toBe(
      303,
    );
    expect((await ada.fetch("/authorize", { method: "POST", body: formOf(page) })).status).toBe(404);
  });

  it("of one person is worth nothing to another, and left whole by the attempt", async () => {
    const { ada, client } = await somebody();
    const eve = await newPerson(locker, "eve");
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge))).text();
    expect((await eve.fetch("/authorize", { method: "POST", body: formOf(page) })).status).toBe(404);
    expect((await ada.fetch("/authorize", { method: "POST", body: formOf(page) })).status).toBe(303);
  });

  it("cannot be posted by another site, nor without a session", async () => {
    const { ada, client } = await somebody();
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge))).text();
    const body = formOf(page);
    for (const headers of [
      { "sec-fetch-site": "cross-site" },
      { "sec-fetch-site": "same-site", origin: locker.proxyOrigin },
      { "sec-fetch-site": "", origin: "null" },
    ])
      expect((await ada.fetch("/authorize", { method: "POST", body, headers })).status).toBe(403);
    const anonymous = await fetch(`${locker.publicOrigin}/authorize`, {
      method: "POST",
      body,
      headers: { origin: locker.publicOrigin },
      redirect: "manual",
    });
    expect(anonymous.status).toBe(401);
    expect((await ada.fetch("/authorize", { method: "POST", body })).status).toBe(303);
  });

  it("carries the request as it was shown: nothing in the form can change it", async () => {
    const { ada, client } = await somebody();
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge, { scope: "vault:read" }))).text();
    const body = formOf(page);
    body.set("redirect_uri", "https://evil.example.com/cb");
    body.set("client_id", "cli_evil");
    body.set("state", "another");
    const back = (await ada.fetch("/authorize", { method: "POST", body })).headers.get("location") ?? "";
    expect(back.startsWith(`${client.redirect_uri}?code=`)).toBe(true);
    expect(new URL(back).searchParams.get("state")).toBe("the-state");
  });

  it("gives no more scopes than were asked for, whatever is posted", async () => {
    const { ada, client } = await somebody();
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge, { scope: "vault:read" }))).text();
    const body = formOf(page, { scopes: ["vault:read", "vault:write", "vault:reveal"] });
    expect((await ada.fetch("/authorize", { method: "POST", body })).status).toBe(422);
    const keys = await ada.fetch("/authorize", { method: "POST", body: formOf(page, { keys: ["key_absent"] }) });
    expect([404, 422]).toContain(keys.status);
  });

  it("is not the session's own secret: a page holds nothing that lasts", async () => {
    const { ada, client } = await somebody();
    const page = await (await ada.fetch(authorizePath(client, pkce().challenge))).text();
    expect(handleIn(page)).toHaveLength(43);
    expect(page).not.toContain("alk_");
    expect(await consent(ada, authorizePath(client, pkce().challenge))).toBeInstanceOf(URL);
  });
});
