import { Problem } from "../../problem.ts";
import { ask } from "../../vault/answer.ts";
import { asGrant, readPresented } from "../presented.ts";
import { readResource } from "../resource.ts";
import { tokenResponse, type Asked, type TokenResponse } from "./grant_type.ts";

const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

/** RFC 6749 §4.1.3 with PKCE (RFC 7636 §4.5) and a resource (RFC 8707 §2.2). The vault that the code names checks and uses it up. */
export async function authorizationCode({ env, config, client, form, origin }: Asked): Promise<TokenResponse> {
  const code = readPresented(config, form.must("code"), "oac");
  if (code === undefined) throw new Problem("invalid_grant", "This is not a code of ours.");
  const verifier = form.must("code_verifier");
  if (!VERIFIER.test(verifier)) throw new Problem("invalid_grant", "code_verifier is malformed.");
  const exchange = {
    hash: code.hash,
    client_id: client.id,
    redirect_uri: form.get("redirect_uri") ?? null,
    verifier,
    resource: readResource(config, form.all("resource")),
  };
  return tokenResponse(await asGrant(ask(env.USER_VAULT.getByName(code.vault_id).redeemCode(exchange, origin))));
}
