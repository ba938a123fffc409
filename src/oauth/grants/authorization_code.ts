import { verifyToken } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { ask } from "../../vault/answer.ts";
import type { Issued } from "../../vault/authorizations.ts";
import { readResource } from "../resource.ts";
import type { Asked, TokenResponse } from "./grant_type.ts";

const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

/** RFC 6749 §4.1.3 with PKCE (RFC 7636 §4.5) and a resource (RFC 8707 §2.2). The vault that the code names checks and uses it up. */
export async function authorizationCode({ env, config, client, form, origin }: Asked): Promise<TokenResponse> {
  const code = verifyCode(config, form.must("code"));
  const verifier = form.must("code_verifier");
  if (!VERIFIER.test(verifier)) throw new Problem("invalid_grant", "code_verifier is malformed.");
  const exchange = {
    hash: code.hash,
    client_id: client.id,
    redirect_uri: form.get("redirect_uri") ?? null,
    verifier,
    resource: readResource(config, form.all("resource")),
  };
  const issued = await asGrant(ask(env.USER_VAULT.getByName(code.vault_id).redeemCode(exchange, origin)));
  return tokenResponse(issued, Date.now());
}

/** As the wire wants it. */
function tokenResponse({ token, expires_at, scopes }: Issued, now: number): TokenResponse {
  return {
    access_token: token,
    token_type: "Bearer",
    expires_in: Math.floor((expires_at - now) / 1_000),
    scope: scopes.join(" "),
  };
}

function verifyCode({ token_keys }: Asked["config"], text: string): { hash: string; vault_id: string } {
  try {
    const code = verifyToken(token_keys, text);
    if (code.kind === "oac") return code;
  } catch (refused) {
    if (!(refused instanceof Problem) || refused.code !== "invalid_token") throw refused;
  }
  throw new Problem("invalid_grant", "This is not a code of ours.");
}

/** A vault that is gone has taken its codes with it. */
async function asGrant<T>(asked: Promise<T>): Promise<T> {
  try {
    return await asked;
  } catch (refused) {
    if (refused instanceof Problem && (refused.code === "invalid_token" || refused.code === "gone"))
      throw new Problem("invalid_grant", "This code is not known here.");
    throw refused;
  }
}
