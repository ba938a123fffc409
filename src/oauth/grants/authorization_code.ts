import { limitWeak } from "../../auth/weak.ts";
import { Problem } from "../../problem.ts";
import { ask } from "../../vault/answer.ts";
import { asGrant, readPresented } from "../presented.ts";
import { readResource } from "../resource.ts";
import { CLI } from "../first_party.ts";
import { deviceToken } from "./device_token.ts";
import { tokenResponse, type Asked, type TokenResponse } from "./grant_type.ts";

const VERIFIER = /^[A-Za-z0-9._~-]{43,128}$/;

/** RFC 6749 §4.1.3 with PKCE (RFC 7636 §4.5) and a resource (RFC 8707 §2.2). The vault that the code names checks and uses it up. */
export async function authorizationCode(asked: Asked): Promise<TokenResponse> {
  const { env, config, client, form, origin } = asked;
  const code = readPresented(config, form.must("code"), "oac");
  if (code === undefined) throw new Problem("invalid_grant", "This is not a code of ours.");
  await limitWeak(env, code, origin.ip);
  const verifier = form.must("code_verifier");
  if (!VERIFIER.test(verifier)) throw new Problem("invalid_grant", "code_verifier is malformed.");
  if (client.id === CLI) {
    const proof = { redirect_uri: form.get("redirect_uri") ?? null, verifier };
    return deviceToken(asked, code.vault_id, { code_hash: code.hash, proof });
  }
  const exchange = {
    hash: code.hash,
    client_id: client.id,
    redirect_uri: form.get("redirect_uri") ?? null,
    verifier,
    resource: readResource(config, form.all("resource")),
  };
  return tokenResponse(await asGrant(ask(env.USER_VAULT.getByName(code.vault_id).redeemCode(exchange, origin))));
}
