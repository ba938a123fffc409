import { Hono } from "hono";
import { html } from "hono/html";
import * as oauth from "oauth4webapi";
import * as z from "zod";
import { assertSameOrigin, sessionOf } from "../auth/caller.ts";
import { cookie, readCookie } from "../auth/cookies.ts";
import { configOf, type Config } from "../config.ts";
import { openTransient, sealTransient } from "../crypto/seal.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { ConnectPage, Departure } from "../vault/connections/manage_connections.ts";
import { page } from "./layout.ts";
import { signInPage } from "./sign_in.ts";

/** What must come back in the same browser, under the same session, that set out with it. */
const Pending = z.object({
  state: z.string(),
  verifier: z.string(),
  key_id: z.string(),
  version: z.number(),
  session: z.string(),
  issuer: z.string(),
  expires_at: z.number(),
});

const COOKIE = "apilocker-connect";
const USE = "connect";
const PENDING_MS = 10 * 60_000;

/**
 * The way to a provider and back, by which a person connects a key that renews itself. The page says where they are sent and
 * where the tokens go; it works for the vault's own person only and is used up by the post (SECURITY S2, S21).
 */
export const connect = new Hono<{ Bindings: Env }>()
  .get("/connect/callback", async ({ env, req }) => {
    const config = configOf(env);
    const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
    const pending = await pendingOf(config, req.raw);
    if (pending.session !== caller.hash)
      throw new Problem("sign_in_failed", "You set out in another session. Start again.");
    const code = codeOf(new URL(req.url), pending);
    const { key_id, version, verifier } = pending;
    const back = { key_id, version, code, verifier, redirect_uri: redirectUri(config) };
    const key = await ask(env.USER_VAULT.getByName(vault_id).completeConnect(caller, back));
    const done = await page(
      "Connected",
      html`<h1>${key.name} is connected</h1>
        <p>The locker renews its access by itself. You can close this page.</p>`,
    );
    done.headers.append("set-cookie", cookie(config, COOKIE, "", 0));
    return done;
  })
  .get("/connect/:handle", async ({ env, req }) => {
    const config = configOf(env);
    try {
      const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
      const asked = await ask(env.USER_VAULT.getByName(vault_id).readConnectLink(caller, req.param("handle")));
      return await form(config, asked, req.path);
    } catch (refused) {
      if (refused instanceof Problem && refused.code === "invalid_token") return signInPage(config.sign_in, req.path);
      throw refused;
    }
  })
  .post("/connect/:handle", async ({ env, req }) => {
    const config = configOf(env);
    assertSameOrigin(req.raw, config);
    const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
    const departure = await ask(env.USER_VAULT.getByName(vault_id).depart(caller, req.param("handle")));
    const [state, verifier] = [oauth.generateRandomState(), oauth.generateRandomCodeVerifier()];
    const { key_id, version, placement } = departure;
    const expires_at = Date.now() + PENDING_MS;
    const pending = {
      state,
      verifier,
      key_id,
      version,
      expires_at,
      session: caller.hash,
      issuer: new URL(placement.authorize_url ?? "").origin,
    };
    const headers = new Headers({ "cache-control": "no-store" });
    headers.set("location", await destinationOf(config, departure, state, verifier));
    headers.append(
      "set-cookie",
      cookie(config, COOKIE, await sealTransient(config.root_keys, USE, pending), PENDING_MS / 1_000),
    );
    return new Response(null, { status: 303, headers });
  });

/** The provider's authorization page, asked for what the key wants (RFC 6749 §4.1.1, RFC 7636). */
async function destinationOf(
  config: Config,
  { client_id, placement }: Departure,
  state: string,
  verifier: string,
): Promise<string> {
  const { authorize_url = "", authorize_parameters = {}, scopes } = placement;
  const url = new URL(authorize_url);
  const query = {
    ...authorize_parameters,
    response_type: "code",
    client_id,
    redirect_uri: redirectUri(config),
    ...(scopes === undefined || scopes === "" ? {} : { scope: scopes }),
    state,
    code_challenge: await oauth.calculatePKCECodeChallenge(verifier),
    code_challenge_method: "S256",
  };
  for (const [name, value] of Object.entries(query)) url.searchParams.set(name, value);
  return url.href;
}

async function pendingOf(config: Config, request: Request): Promise<z.output<typeof Pending>> {
  const opened = await openTransient(config.root_keys, USE, readCookie(request, config, COOKIE) ?? "");
  const pending = Pending.safeParse(opened).data;
  if (pending === undefined || pending.expires_at < Date.now())
    throw new Problem("sign_in_failed", "This was not begun in this browser, or too long ago. Start again.");
  return pending;
}

/** The code, if the answer belongs to the question: our state, once, and no other issuer where one is named (RFC 9207). */
function codeOf({ searchParams }: URL, { state, issuer }: z.output<typeof Pending>): string {
  const once = (name: string) => {
    const [value, more] = searchParams.getAll(name);
    return more === undefined ? value : undefined;
  };
  if (once("state") !== state)
    throw new Problem("sign_in_failed", "The answer does not belong to this browser's question.");
  const named = searchParams.get("iss");
  if (named !== null && URL.parse(named)?.origin !== issuer)
    throw new Problem("sign_in_failed", "The answer came from another provider than the one you set out to.");
  const code = once("code");
  if (code === undefined || code === "")
    throw new Problem("sign_in_failed", "The provider did not allow it. Nothing was changed.");
  return code;
}

/** One address for all keys: registered once with each provider. */
function redirectUri(config: Config): string {
  return `${config.public_origin}/connect/callback`;
}

async function form(config: Config, { key, placement, asked_by }: ConnectPage, action: string): Promise<Response> {
  const authorize = new URL(placement.authorize_url ?? "");
  const shown = await page(
    `Connect ${key.name}`,
    html`<h1>Connect ${key.name}</h1>
      <p>You will be sent to</p>
      <p class="large">${authorize.host}</p>
      <p>
        to sign in and allow access. What it grants is kept in the locker, renewed at
        ${new URL(placement.token_url).host} and shown to ${new URL(key.destination.origin).host} only.
        <strong>${asked_by}</strong> asked for it.
      </p>
      ${placement.scopes === undefined ? "" : html`<p>Asked for: <code>${placement.scopes}</code></p>`}
      <p>The provider must know this redirect URI: <code>${redirectUri(config)}</code></p>
      <form method="post" action="${action}"><button>Connect</button></form>`,
  );
  // Browsers hold the redirect that answers a form to the policy too (SECURITY S25).
  const policy = shown.headers.get("content-security-policy") ?? "";
  shown.headers.set(
    "content-security-policy",
    policy.replace("form-action 'self'", `form-action 'self' ${authorize.origin}`),
  );
  return shown;
}
