import { Hono } from "hono";
import * as z from "zod";
import { assertSameOrigin, identify } from "../auth/caller.ts";
import { cookie, readCookie, SESSION_COOKIE } from "../auth/cookies.ts";
import { originOf } from "../auth/origin.ts";
import { configOf, type Config, type OpenIdProvider } from "../config.ts";
import { openTransient, sealTransient } from "../crypto/seal.ts";
import { accountFor, markReady } from "../directory/accounts.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { Identity } from "../vault/identities.ts";
import { beginSignIn, completeSignIn, type PendingSignIn } from "./oidc.ts";

/** The cookie that ties a sign-in to the browser that began it: without it, state and code are worth nothing (login CSRF). */
const PENDING_COOKIE = "apilocker-sign-in";
const PENDING_USE = "sign-in";
const SESSION_COOKIE_S = 90 * 86_400;

const Pending = z.object({
  provider: z.string(),
  state: z.string(),
  nonce: z.string(),
  verifier: z.string(),
  return_to: z.string(),
  expires_at: z.number(),
});

/** Sign-in and sign-out. The same code serves every provider. */
export const signin = new Hono<{ Bindings: Env }>()
  .use("/auth/*", async ({ env, req }, next) => {
    const { success } = await env.SIGN_IN_LIMIT.limit({ key: originOf(req.raw).ip });
    if (!success) throw new Problem("rate_limited", "Too many sign-ins from your address.", { retry_after_s: 60 });
    await next();
  })
  .get("/auth/:provider", async ({ env, req }) => {
    const config = configOf(env);
    const provider = providerOf(config, req.param("provider"));
    const { location, pending } = await beginSignIn(
      config,
      provider,
      localPath(req.query("return_to")),
      req.query("login_hint") ?? null,
    );
    const sealed = await sealTransient(config.root_keys, PENDING_USE, pending);
    return redirect(location.href, [cookie(config, PENDING_COOKIE, sealed, 600)]);
  })
  .get("/auth/:provider/callback", async ({ env, req }) => {
    const config = configOf(env);
    const provider = providerOf(config, req.param("provider"));
    const pending = await pendingOf(config, req.raw);
    const identity = await completeSignIn(config, provider, new URL(req.url), pending);
    const { token } = await session(env, req.raw, identity);
    return redirect(pending.return_to, [
      cookie(config, PENDING_COOKIE, "", 0),
      cookie(config, SESSION_COOKIE, token, SESSION_COOKIE_S),
    ]);
  })
  .post("/auth/sign-out", async ({ env, req }) => {
    const config = configOf(env);
    assertSameOrigin(req.raw, config);
    const { vault_id, caller } = identify(req.raw, config, ["session"]);
    await ask(env.USER_VAULT.getByName(vault_id).signOut(caller));
    return redirect("/", [cookie(config, SESSION_COOKIE, "", 0)], 303);
  });

async function session(env: Env, request: Request, identity: Identity): Promise<{ token: string }> {
  const account = await accountFor(env.DB, identity, Date.now());
  const vault = env.USER_VAULT.getByName(account.vault_id);
  if (!account.ready) {
    await ask(vault.create(account.id, identity));
    await markReady(env.DB, account.id, Date.now());
  }
  return ask(vault.signIn(account.id, identity, originOf(request)));
}

async function pendingOf(config: Config, request: Request): Promise<PendingSignIn> {
  const opened = await openTransient(config.root_keys, PENDING_USE, readCookie(request, config, PENDING_COOKIE) ?? "");
  const pending = Pending.safeParse(opened);
  if (!pending.success)
    throw new Problem("sign_in_failed", "This sign-in was not begun in this browser, or too long ago. Start again.");
  return pending.data;
}

function providerOf(config: Config, id: string): OpenIdProvider {
  if (id !== "oidc" || config.openid === undefined)
    throw new Problem("not_found", "Nobody can sign in with that provider here.");
  return config.openid;
}

/** A path on this origin and nothing else: `//host`, `/\host` and absolute URLs all fold to the start page. */
function localPath(return_to: string | undefined): string {
  const base = "http://locker.invalid";
  const url = URL.parse(return_to ?? "/", base);
  if (url === null || url.origin !== base || !/^\/(?![/\\])/.test(return_to ?? "/")) return "/";
  return url.pathname + url.search;
}

function redirect(location: string, cookies: readonly string[], status = 302): Response {
  const headers = new Headers({ location, "cache-control": "no-store" });
  for (const value of cookies) headers.append("set-cookie", value);
  return new Response(null, { status, headers });
}
