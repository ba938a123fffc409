import { Hono } from "hono";
import { assertSameOrigin, sessionOf, type Identified } from "../auth/caller.ts";
import { limitAddress } from "../auth/limit.ts";
import { originOf } from "../auth/origin.ts";
import { configOf, type Config, type SignInProvider } from "../config.ts";
import { Problem } from "../problem.ts";
import { ask } from "../vault/answer.ts";
import type { AuthorizationRequest, ConsentDecision, ConsentPage } from "../vault/tokens/authorizations.ts";
import { SCOPES } from "../vault/policy/scopes.ts";
import { readAuthorizationRequest, redirectOf } from "./authorization_request.ts";
import { askIn } from "../auth/ask_choice.ts";
import { deviceNames, wishIn } from "../auth/device_wish.ts";
import { mustFindClient } from "./client.ts";
import { isDocumentUrl } from "./client_document.ts";
import { CLI } from "./first_party.ts";
import { Form, readForm } from "./form.ts";
import { isLoopback } from "./redirects.ts";
import { describe } from "./wording.ts";

/** What the pages of this endpoint look like; they are made elsewhere. */
export type AuthorizationPages = {
  signIn: (providers: readonly SignInProvider[], return_to: string) => Promise<Response>;
  consent: (request: AuthorizationRequest, page: ConsentPage) => Promise<Response>;
  /** What a person is asked before our own command line is let in. */
  device: (request: AuthorizationRequest, page: ConsentPage) => Promise<Response>;
  /** A refusal that the person may carry back to the app, or not. */
  refusal: (problem: Problem, back: string) => Promise<Response>;
};

/** Through a sign-in the request travels in a sealed cookie, and browsers keep cookies of 4 KiB. */
const QUERY_LENGTH = 2_500;
const DAY_MS = 86_400_000;

/** How long a person may let a client in; `always` ends with the grant's own limit. */
const DURATIONS: Readonly<Record<string, number | null>> = {
  hour: DAY_MS / 24,
  day: DAY_MS,
  week: 7 * DAY_MS,
  month: 30 * DAY_MS,
  always: null,
};

/**
 * The authorization endpoint (OAuth 2.1 §4.1). Nothing is ever granted without a person's own click on this client's own page:
 * not because they are signed in, not because they said yes before (MCP security, confused deputy).
 */
export function authorization(pages: AuthorizationPages) {
  return new Hono<{ Bindings: Env }>()
    .get("/authorize", async ({ env, req }) => {
      const config = configOf(env);
      const { search, pathname, searchParams } = new URL(req.url);
      if (search.length > QUERY_LENGTH)
        throw new Problem("invalid_request", `The request is longer than ${QUERY_LENGTH} characters.`);
      const limited = { of: "authorize", detail: "Too many requests from your address." };
      await limitAddress(env.SIGN_IN_LIMIT, originOf(req.raw).ip, limited);
      const form = new Form(searchParams);
      const client_id = form.must("client_id");
      const who = await signedIn(env, config, req.raw);
      if (who === undefined && isDocumentUrl(client_id))
        return opened(await pages.signIn(config.sign_in, pathname + search));
      const client = await mustFindClient(env, config, client_id, who ?? "anybody");
      const redirect_uri = redirectOf(config, client, form);
      const asked = attempt(() => readAuthorizationRequest(config, client, redirect_uri, form));
      if (asked instanceof Problem) return refuse(config, redirect_uri, form, asked);
      if (who === undefined) return opened(await pages.signIn(config.sign_in, pathname + search));
      const device = client.id === CLI ? deviceNames((name) => form.all(name)) : undefined;
      const request = { ...asked, device };
      const page = await ask(vaultOf(env, who).beginConsent(who.caller, request));
      return opened(await (device === undefined ? pages.consent : pages.device)(request, page));
    })
    .post("/authorize", async ({ env, req }) => {
      const config = configOf(env);
      assertSameOrigin(req.raw, config);
      const who = sessionOf(req.raw, config, ["session"]);
      const form = await readForm(req.raw);
      const decision = decisionOf(form);
      const { redirect_uri, state, code } = await ask(
        vaultOf(env, who).decideConsent(who.caller, form.must("handle"), decision),
      );
      return redirect(answerTo(config, redirect_uri, state, codeOrNo(code)));
    })
    .post("/authorize/device", async ({ env, req }) => {
      const config = configOf(env);
      assertSameOrigin(req.raw, config);
      const who = sessionOf(req.raw, config, ["session"]);
      const form = await readForm(req.raw);
      const denied = form.get("decision") === "deny";
      const wish = denied ? null : wishIn((name) => form.all(name), { name: "unnamed device", platform: "" });
      const { redirect_uri, state, code } = await ask(
        vaultOf(env, who).answerSignIn(who.caller, form.must("handle"), wish),
      );
      return redirect(answerTo(config, redirect_uri, state, codeOrNo(code)));
    });

  /**
   * Tells a client that it asked amiss. A program on this machine is told at once; elsewhere the person decides whether to go
   * there, since anybody can register an address and make us a door to it (RFC 9700 §4.11.2).
   */
  async function refuse(config: Config, redirect_uri: string, form: Form, problem: Problem): Promise<Response> {
    const state = attempt(() => form.get("state"));
    const answer = { error: problem.oauth, error_description: describe(problem) };
    const back = answerTo(config, redirect_uri, state instanceof Problem ? null : (state ?? null), answer);
    return isLoopback(redirect_uri) ? redirect(back) : opened(await pages.refusal(problem, back));
  }
}

function codeOrNo(code: string | undefined): Record<string, string> {
  return code === undefined ? { error: "access_denied", error_description: "The person said no." } : { code };
}

/** The person of this browser's session, if there is one and it is alive. */
async function signedIn(env: Env, config: Config, request: Request): Promise<Identified | undefined> {
  try {
    const who = sessionOf(request, config, ["session"]);
    await ask(vaultOf(env, who).me(who.caller));
    return who;
  } catch (refused) {
    if (refused instanceof Problem && refused.code === "invalid_token") return undefined;
    throw refused;
  }
}

function vaultOf(env: Env, { vault_id }: Identified) {
  return env.USER_VAULT.getByName(vault_id);
}

/** The redirect URI with the answer: letter for letter as registered, and always with `iss` (RFC 9207). */
function answerTo(config: Config, uri: string, state: string | null, answer: Record<string, string>): string {
  const parameters = new URLSearchParams({ ...answer, iss: config.public_origin });
  if (state !== null) parameters.set("state", state);
  return `${uri}${uri.includes("?") ? "&" : "?"}${parameters.toString()}`;
}

function decisionOf(form: Form): ConsentDecision {
  // The form itself says yes, as when it is sent by the return key; only its other button says no.
  if ((form.get("decision") ?? "allow") !== "allow") return { allow: false };
  const given = form.all("scope");
  const lasts = form.get("lasts") ?? "";
  if (!Object.hasOwn(DURATIONS, lasts)) throw new Problem("invalid_request", "Choose how long.");
  const reach = form.must("reach");
  if (reach !== "all" && reach !== "chosen") throw new Problem("invalid_request", "Choose which keys.");
  return {
    allow: true,
    scopes: SCOPES.filter((scope) => given.includes(scope)),
    keys: reach === "all" ? null : form.all("key"),
    ask: askIn(form.get("ask")),
    lasts_ms: DURATIONS[lasts] ?? null,
  };
}

function attempt<T>(work: () => T): T | Problem {
  try {
    return work();
  } catch (thrown) {
    if (thrown instanceof Problem) return thrown;
    throw thrown;
  }
}

/** Apps open this page in a pop-up and wait for it; cut off from its opener it would look closed to them (SECURITY S25). */
function opened(page: Response): Response {
  page.headers.set("cross-origin-opener-policy", "unsafe-none");
  page.headers.set("x-frame-options", "DENY");
  return page;
}

/** 303: whatever was posted here is not posted again to the client, as a 307 would have it (RFC 9700 §4.12). */
function redirect(location: string): Response {
  return new Response(null, {
    status: 303,
    headers: { location, "cache-control": "no-store", "referrer-policy": "no-referrer" },
  });
}
