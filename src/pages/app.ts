import { Hono } from "hono";
import { sessionOf } from "../auth/caller.ts";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import { BROWSER_HEADERS } from "./layout.ts";
import { signInPage } from "./sign_in.ts";

/**
 * No inline script or style, no eval, no other origin; and no script made from text, which Trusted Types forbid to libraries
 * as well. `'self'` covers the live feed's socket.
 */
const APP_CSP = [
  "default-src 'none'",
  "script-src 'self'",
  "style-src 'self'",
  "img-src 'self'",
  "connect-src 'self'",
  "form-action 'self'",
  "base-uri 'none'",
  "frame-ancestors 'none'",
  "require-trusted-types-for 'script'",
  "trusted-types 'none'",
].join("; ");

/** Pages of the dashboard (CONTRACT §2). What is behind the first segment is the app's own business. */
const PAGES = [
  "/",
  "/keys/*",
  "/tokens/*",
  "/clients/*",
  "/devices/*",
  "/activity/*",
  "/spend/*",
  "/alerts/*",
  "/approvals/*",
  "/explain",
  "/connect/*",
  "/settings/*",
];

/** The dashboard: one page and its assets. Whoever is not signed in gets the sign-in page instead, with no script in it. */
export const app = new Hono<{ Bindings: Env }>()
  .on("GET", PAGES, async ({ env, req }) => {
    const config = configOf(env);
    const { pathname, search } = new URL(req.url);
    try {
      const { vault_id, caller } = sessionOf(req.raw, config, ["session"]);
      await ask(env.USER_VAULT.getByName(vault_id).me(caller));
    } catch (refused) {
      if (refused instanceof Problem && SIGNED_OUT.has(refused.code)) {
        return signInPage(config.sign_in, pathname + search);
      }
      throw refused;
    }
    return asset(env, req.raw, "/index.html", { "cache-control": "no-store", "content-security-policy": APP_CSP });
  })
  // Whether or not somebody is signed in: for an operation that needs a sign-in of the last minutes.
  .get("/sign-in", ({ env, req }) => signInPage(configOf(env).sign_in, req.query("return_to") ?? "/"))
  .get("/assets/*", ({ env, req }) =>
    // Their names are their content's.
    asset(env, req.raw, req.path, { "cache-control": "public, max-age=31536000, immutable" }),
  )
  .get("/apilocker.tgz", ({ env, req }) =>
    asset(env, req.raw, req.path, { "cache-control": "no-cache", "content-type": "application/gzip" }),
  )
  .get("/icon.svg", ({ env, req }) => asset(env, req.raw, req.path, { "cache-control": "public, max-age=86400" }));

const SIGNED_OUT: ReadonlySet<string> = new Set(["invalid_token", "gone"]);

async function asset(env: Env, request: Request, path: string, more: Record<string, string>): Promise<Response> {
  const found = await env.ASSETS.fetch(new Request(new URL(path, request.url), { headers: conditions(request) }));
  if (found.status !== 200 && found.status !== 304) {
    await found.body?.cancel();
    throw new Problem("not_found", "Nothing is served at this path.");
  }
  const headers = new Headers(found.headers);
  // Nothing runs from an asset that is opened by itself; the page's own policy, in `more`, wins over it.
  headers.set("content-security-policy", "default-src 'none'; frame-ancestors 'none'");
  for (const [name, value] of Object.entries({ ...BROWSER_HEADERS, ...more })) headers.set(name, value);
  return new Response(found.body, { status: found.status, headers });
}

/** Of what the browser sends only what asks for less: no cookie reaches the asset layer. */
function conditions(request: Request): Headers {
  const headers = new Headers();
  for (const name of ["if-none-match", "accept-encoding"]) {
    const value = request.headers.get(name);
    if (value !== null) headers.set(name, value);
  }
  return headers;
}
