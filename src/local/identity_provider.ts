import { createHash } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { text } from "node:stream/consumers";
// Not the package's front door: that one warns about every Node that is not an LTS release yet.
import { createMemoryAdapter } from "oidc-provider/lib/adapters/memory_adapter.js";
import { Check, Prompt } from "oidc-provider/lib/helpers/interaction_policy/index.js";
import { Provider, type Context } from "oidc-provider/lib/provider.js";
import { listenOnLoopback } from "./loopback.ts";

export type IdentityProviderOptions = {
  port: number;
  client_id: string;
  client_secret: string;
  redirect_uri: string;
  cookie_key: string;
  signing_key: Record<string, string>;
};

type Refusal = { error: string; error_description?: string };

const SIGN_IN = /^\/sign-in\/[\w-]+$/;
const EMAIL = /^[^\s@<>"]{1,64}@[^\s@<>"]{1,255}$/;
const LIFETIME_S = 600;

/**
 * A real OpenID provider that believes everybody: it signs in whom `login_hint` names, and asks for an e-mail address
 * where nobody is named. For one machine only: it listens on loopback and answers to no other name.
 */
export async function startIdentityProvider(options: IdentityProviderOptions): Promise<{ stop: () => Promise<void> }> {
  const host = `localhost:${options.port}`;
  const provider = new Provider(`http://${host}`, configuration(options));
  const protocol = provider.callback();

  const handle = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    // A name that points here from elsewhere is somebody's DNS rebinding.
    if (request.headers.host !== host) return void response.writeHead(421).end();
    if (!SIGN_IN.test(request.url ?? "")) return protocol(request, response);
    const { params } = await provider.interactionDetails(request, response);
    const email = request.method === "POST" ? new URLSearchParams(await text(request)).get("email") : params.login_hint;
    if (email === null || email === undefined || !EMAIL.test(email)) return askForEmail(response);
    await provider.interactionFinished(request, response, { login: { accountId: email.toLowerCase() } });
  };
  return listenOnLoopback(options.port, (request, response) => {
    handle(request, response).catch((fault: unknown) => {
      response.writeHead(400, { "content-type": "text/plain" }).end(`Start the sign-in again: ${String(fault)}\n`);
    });
  });

  function configuration({ client_id, client_secret, redirect_uri, cookie_key, signing_key }: IdentityProviderOptions) {
    return {
      adapter: createMemoryAdapter(),
      clients: [{ client_id, client_secret, redirect_uris: [redirect_uri] }],
      cookies: { keys: [cookie_key] },
      jwks: { keys: [{ ...signing_key, use: "sig", alg: "RS256" }] },
      pkce: { required: () => true },
      claims: { openid: ["sub"], email: ["email", "email_verified"], profile: ["name"] },
      conformIdTokenClaims: false,
      features: { devInteractions: { enabled: false } },
      interactions: { policy: [everyTime], url: (_: Context, { uid }: { uid: string }) => `/sign-in/${uid}` },
      findAccount: (_: Context, email: string) => ({ accountId: email, claims: () => claimsOf(email) }),
      loadExistingGrant,
      renderError: (
        context: { type: string; body: string },
        { error, error_description = "" }: Refusal,
        cause: unknown,
      ) => {
        if (error === "server_error") console.error(cause);
        context.type = "text";
        context.body = `${error}: ${error_description}\n`;
      },
      ttl: {
        AccessToken: LIFETIME_S,
        AuthorizationCode: 60,
        Grant: LIFETIME_S,
        IdToken: LIFETIME_S,
        Interaction: LIFETIME_S,
        Session: LIFETIME_S,
      },
    };
  }

  /** The one client is ours and may have whatever it asks for. */
  async function loadExistingGrant({ oidc }: Context) {
    const grant = new provider.Grant({ accountId: oidc.session.accountId, clientId: oidc.client.clientId });
    grant.addOIDCScope(oidc.params.scope ?? "openid");
    await grant.save();
    return grant;
  }
}

/** Who signed in before does not matter: whoever is named now is signed in now. */
const everyTime = new Prompt(
  { name: "login", requestable: true },
  new Check("every_time", "every sign-in is a new one", ({ oidc }) =>
    oidc.result?.login === undefined ? Check.REQUEST_PROMPT : Check.NO_NEED_TO_PROMPT,
  ),
);

function claimsOf(email: string) {
  const [name = email] = email.split("@");
  return { sub: subjectOf(email), email, email_verified: true, name };
}

/** The same for the same person on every run and every machine. */
function subjectOf(email: string): string {
  return createHash("sha256").update(email).digest("hex").slice(0, 32);
}

function askForEmail(response: ServerResponse): void {
  const headers = { "content-type": "text/html; charset=utf-8", "content-security-policy": "default-src 'none'" };
  response.writeHead(200, headers).end(`<!doctype html>
<html lang="en"><title>Local sign-in</title>
<h1>Local sign-in</h1>
<p>Only this machine can reach this page. Whatever address you type is signed in, without a password.</p>
<form method="post"><label>E-mail <input type="email" name="email" required autofocus></label> <button>Sign in</button></form>
</html>
`);
}
