import { limitWeak } from "../../auth/weak.ts";
import { Problem } from "../../problem.ts";
import { ask } from "../../vault/answer.ts";
import { asGrant, readPresented } from "../presented.ts";
import { readResource } from "../resource.ts";
import { readScopes } from "../scope.ts";
import { tokenResponse, type Asked, type TokenResponse } from "./grant_type.ts";

/** RFC 6749 §6. Who gets what is judged in the vault (SECURITY S7); a dead token is `invalid_grant`, trouble of ours is not. */
export async function refreshToken({ env, config, client, form, origin }: Asked): Promise<TokenResponse> {
  const token = readPresented(config, form.must("refresh_token"), "ort");
  if (token === undefined) throw new Problem("invalid_grant", "This is not a refresh token of ours.");
  await limitWeak(env, token, origin.ip);
  readResource(config, form.all("resource"));
  const { kind, secret, vault_id } = token;
  const presented = { kind, secret, client_id: client.id, scopes: readScopes(form.get("scope")), origin };
  return tokenResponse(await asGrant(ask(env.USER_VAULT.getByName(vault_id).refreshGrant(presented))));
}
