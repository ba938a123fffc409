import { Hono } from "hono";
import { assertSameOrigin, identify, sessionOf } from "../auth/caller.ts";
import { cookie, SESSION_COOKIE } from "../auth/cookies.ts";
import { limitAddress } from "../auth/limit.ts";
import { originOf } from "../auth/origin.ts";
import { configOf, type Config, type SignInProvider } from "../config.ts";
import { accountFor, linkToAccount, markReady } from "../directory/accounts.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Identity } from "../vault/account/identities.ts";
import { beginSignIn, completeSignIn } from "./client.ts";
import { forgetPending, keepPending, pendingOf } from "./pending.ts";

const SESSION_COOKIE_S = 90 * 86_400;
/** Any that we know; what else lies under `/auth` is none. */
const PROVIDER = ":provider{(?:google|github|oidc)}";

/** Sign-in, linking and sign-out. The same code serves every provider. */
export const signin = new Hono<{ Bindings: Env }>()
  .use("/auth/*", async ({ env, req }, next) => {
    await limitAddress(env.SIGN_IN_LIMIT, originOf(req.raw).ip, { detail: "Too many sign-ins from your address." });
    await next();
  })
  .get(`/auth/${PROVIDER}`, async ({ env, req }) => {
    const config = configOf(env);
    const provider = providerOf(config, req.param("provider"));
    const wish = { return_to: localPath(req.query("return_to")), login_hint: req.query("login_hint") };
    const { location, pending } = await beginSignIn(config, provider, wish);
    return redirect(location.href, [await keepPending(config, pending)]);
  })
  .post(`/auth/${PROVIDER}/link`, async ({ env, req }) => {
    const config = configOf(env);
    const provider = providerOf(config, req.param("provider"));
    const { vault_id, caller } = identify(req.raw, config, ["session_recent"]);
    await ask(env.USER_VAULT.getByName(vault_id).mayChange(caller));
    const wish = { return_to: "/settings", login_hint: req.query("login_hint"), link: caller.hash };
    const { location, pending } = await beginSignIn(config, provider, wish);
    const cookies = [await keepPending(config, pending)];
    if (req.header("accept") !== "application/json") return redirect(location.href, cookies, 303);
    // The dashboard goes there by itself: a form's redirect to another origin is what its form-action forbids (SECURITY S25).
    return Response.json({ location: location.href }, { headers: headersOf(cookies) });
  })
  .get(`/auth/${PROVIDER}/callback`, async ({ env, req }) => {
    const config = configOf(env);
    const provider = providerOf(config, req.param("provider"));
    const pending = await pendingOf(config, req.raw, provider.id);
    const identity = await completeSignIn(config, provider, new URL(req.url), pending);
    if (pending.link !== undefined) {
      await link(env, config, req.raw, identity, pending.link);
      return redirect(pending.return_to, [forgetPending(config)]);
    }
    const { token } = await openSession(env, req.raw, identity);
    const cookies = [forgetPending(config), cookie(config, SESSION_COOKIE, token, SESSION_COOKIE_S)];
    return redirect(pending.return_to, cookies);
  })
  .post("/auth/sign-out", async ({ env, req }) => {
    const config = configOf(env);
    assertSameOrigin(req.raw, config);
    const { vault_id, caller } = identify(req.raw, config, ["session"]);
    try {
      await ask(env.USER_VAULT.getByName(vault_id).signOut(caller));
    } catch (refused) {
      // Whose session has ended is signed out.
      if (!(refused instanceof Problem) || !["invalid_token", "gone"].includes(refused.code)) throw refused;
    }
    return redirect("/", [cookie(config, SESSION_COOKIE, "", 0)], 303);
  });

async function openSession(env: Env, request: Request, identity: Identity): Promise<{ token: string }> {
  const account = await accountFor(env.DB, identity, Date.now());
  const vault = env.USER_VAULT.getByName(account.vault_id);
  if (!account.ready) {
    await ask(vault.create(account.id, identity));
    await markReady(env.DB, account.id, Date.now());
  }
  return ask(vault.signIn(account.id, identity, originOf(request)));
}

/**
 * Adds the identity to the account of the session that began the linking. The browser comes back from another site, so it is
 * not the request's origin that proves whose wish it is but the sealed cookie, which names the session.
 */
async function link(env: Env, config: Config, request: Request, identity: Identity, session: string): Promise<void> {
  const { vault_id, caller } = sessionOf(request, config, ["session_recent"]);
  if (caller.hash !== session)
    throw new Problem("sign_in_failed", "The linking was begun in another session. Start again.");
  const vault = env.USER_VAULT.getByName(vault_id);
  await ask(vault.mayChange(caller));
  await linkToAccount(env.DB, identity, vault_id);
  await ask(vault.link(caller, identity));
}

function providerOf(config: Config, id: string): SignInProvider {
  const provider = config.sign_in.find((one) => one.id === id);
  if (provider === undefined) throw new Problem("not_found", "Nobody can sign in with that provider here.");
  return provider;
}

/** A path on this origin and nothing else: `//host`, `/\host` and absolute URLs all fold to the start page. */
function localPath(return_to: string | undefined): string {
  const base = "http://locker.invalid";
  const url = URL.parse(return_to ?? "/", base);
  if (url === null || url.origin !== base) return "/";
  // Judged as it will be sent: dot segments before it are gone by now, and must not have uncovered a `//`.
  const path = url.pathname + url.search;
  return /^\/(?![/\\])/.test(path) && /^\/(?![/\\])/.test(return_to ?? "/") ? path : "/";
}

function redirect(location: string, cookies: readonly string[], status = 302): Response {
  const headers = headersOf(cookies);
  headers.set("location", location);
  return new Response(null, { status, headers });
}

function headersOf(cookies: readonly string[]): Headers {
  const headers = new Headers({ "cache-control": "no-store" });
  for (const value of cookies) headers.append("set-cookie", value);
  return headers;
}
