import { createHash, randomBytes } from "node:crypto";
import type { Person } from "../../src/local/person.ts";
import type { LocalLocker } from "../../src/local/serve.ts";

/** What a client needs to have said and kept to ask for authorization. */
export type OAuthClient = { client_id: string; client_secret?: string; redirect_uri: string };

/** What a person chooses on the consent page; what is left out is left as the page proposes it. */
export type Choice = {
  scopes?: readonly string[];
  /** Ids of keys; left out: every key. */
  keys?: readonly string[];
  lasts?: "hour" | "day" | "week" | "month" | "always";
  ask?: "never" | "changes" | "every";
  decision?: "allow" | "deny";
};

export type Tokens = {
  access_token: string;
  token_type: string;
  expires_in: number;
  scope: string;
  refresh_token?: string;
};

export const REDIRECT_URI = "http://127.0.0.1:33418/callback";

export function resourceOf({ publicOrigin }: Pick<LocalLocker, "publicOrigin">): string {
  return `${publicOrigin}/v1/mcp`;
}

/** Posts a registration; the answer as it is. */
export function register(locker: Pick<LocalLocker, "publicOrigin">, metadata: object): Promise<Response> {
  return fetch(`${locker.publicOrigin}/register`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(metadata),
  });
}

/** A client that has registered itself: public, with a loopback address. */
export async function registerClient(
  locker: Pick<LocalLocker, "publicOrigin">,
  more: object = {},
): Promise<OAuthClient> {
  const redirect_uris = [REDIRECT_URI];
  const said = { client_name: "Agent", redirect_uris, token_endpoint_auth_method: "none", ...more };
  const response = await register(locker, said);
  if (response.status !== 201) throw new Error(`registering: ${response.status} ${await response.text()}`);
  const { client_id, client_secret } = await response.json<{ client_id: string; client_secret?: string }>();
  const redirect_uri = said.redirect_uris[0] ?? REDIRECT_URI;
  return { client_id, redirect_uri, ...(client_secret === undefined ? {} : { client_secret }) };
}

/** A PKCE verifier and its challenge. */
export function pkce(): { verifier: string; challenge: string } {
  const verifier = randomBytes(32).toString("base64url");
  return { verifier, challenge: createHash("sha256").update(verifier).digest("base64url") };
}

/** The address that a client opens in the browser. Parameters override; `undefined` leaves one out. */
export function authorizePath(
  client: OAuthClient,
  challenge: string,
  parameters: Record<string, string | undefined> = {},
): string {
  const all = {
    response_type: "code",
    client_id: client.client_id,
    redirect_uri: client.redirect_uri,
    code_challenge: challenge,
    code_challenge_method: "S256",
    state: "the-state",
    ...parameters,
  };
  const given = Object.entries(all).filter((one): one is [string, string] => one[1] !== undefined);
  return `/authorize?${new URLSearchParams(given).toString()}`;
}

/** The one-time handle in a consent page. */
export function handleIn(page: string): string {
  const [, handle] = /name="handle" value="([^"]+)"/.exec(page) ?? [];
  if (handle === undefined) throw new Error(`this is no consent page: ${page.slice(0, 2_000)}`);
  return handle;
}

/** Scopes that the page proposes. */
export function proposedIn(page: string): string[] {
  return [...page.matchAll(/<input\s[^>]*name="scope"\s+value="([^"]+)"([^>]*)>/g)]
    .filter(([, , rest = ""]) => rest.includes("checked"))
    .map(([, scope = ""]) => scope);
}

/** The form as a browser would send it. */
export function formOf(
  page: string,
  { scopes, keys, lasts = "always", ask = "never", decision = "allow" }: Choice = {},
): URLSearchParams {
  const form = new URLSearchParams({
    handle: handleIn(page),
    reach: keys === undefined ? "all" : "chosen",
    lasts,
    ask,
  });
  for (const scope of scopes ?? proposedIn(page)) form.append("scope", scope);
  for (const key of keys ?? []) form.append("key", key);
  form.set("decision", decision);
  return form;
}

/** Opens the address as a signed-in person and decides; answers where the browser is sent. */
export async function consent(person: Person, path: string, choice: Choice = {}): Promise<URL> {
  const page = await person.fetch(path);
  const text = await page.text();
  const answer = await person.fetch("/authorize", { method: "POST", body: formOf(text, choice) });
  const location = answer.headers.get("location");
  if (answer.status !== 303 || location === null)
    throw new Error(`deciding: ${answer.status} ${(await answer.text()).slice(0, 1_000)}`);
  return new URL(location);
}

/** Posts to the token endpoint; the answer as it is. */
export function tokenRequest(
  locker: Pick<LocalLocker, "publicOrigin">,
  parameters: Record<string, string>,
  headers: Record<string, string> = {},
): Promise<Response> {
  return fetch(`${locker.publicOrigin}/token`, { method: "POST", headers, body: new URLSearchParams(parameters) });
}

/** A code for a client, and the verifier that goes with it. */
export async function codeFor(
  person: Person,
  client: OAuthClient,
  { scope, ...choice }: Choice & { scope?: string | undefined } = {},
): Promise<{ code: string; verifier: string }> {
  const { verifier, challenge } = pkce();
  const answered = await consent(person, authorizePath(client, challenge, { scope }), choice);
  const code = answered.searchParams.get("code");
  if (code === null) throw new Error(`no code: ${answered.href}`);
  return { code, verifier };
}

/** What a public client posts for its code. */
export function exchangeOf(client: OAuthClient, { code, verifier }: { code: string; verifier: string }) {
  return {
    grant_type: "authorization_code",
    client_id: client.client_id,
    redirect_uri: client.redirect_uri,
    code,
    code_verifier: verifier,
  };
}

/** The whole flow: a client registers unless there is one, the person consents, the client gets its tokens. */
export async function connect(
  locker: Pick<LocalLocker, "publicOrigin">,
  person: Person,
  { client, ...choice }: Choice & { scope?: string; client?: OAuthClient } = {},
): Promise<Tokens & { client: OAuthClient }> {
  const registered = client ?? (await registerClient(locker));
  const proof = await codeFor(person, registered, choice);
  const response = await tokenRequest(locker, exchangeOf(registered, proof));
  if (response.status !== 200) throw new Error(`exchanging: ${response.status} ${await response.text()}`);
  return { ...(await response.json<Tokens>()), client: registered };
}
