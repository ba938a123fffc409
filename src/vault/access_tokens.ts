import { configOf } from "../config.ts";
import { mintToken } from "../crypto/token.ts";
import type { Grant } from "./grants.ts";
import { tagOf } from "./leashes.ts";
import { cut, type Parts } from "./parts.ts";
import type { Scope } from "./scopes.ts";

/** A new access token: its text, which is not kept, and when it ends (epoch ms). */
export type AccessToken = { token: string; expires_at: number; scopes: readonly Scope[] };

const ACCESS_TOKEN_MS = 60 * 60_000;
/** A client that asks for ever more tokens loses its oldest ones, not its owner's storage. */
const LIVE_A_GRANT = 50;

/**
 * Issues an access token of a grant, for all its scopes or some of them. `secret` is given where it is derived, so that the same
 * token can be answered again; one that is there already is answered as it stands.
 */
export function issueAccessToken(
  parts: Parts,
  grant: Grant,
  now: number,
  { scopes, secret }: { scopes?: readonly Scope[] | undefined; secret?: Uint8Array | undefined } = {},
): AccessToken {
  const { tokens, env, vault_id } = parts;
  const { token, hash } = mintToken(configOf(env).token_keys, "oat", vault_id, secret);
  const known = secret === undefined ? undefined : tokens.byHash(hash);
  const row =
    known ??
    tokens.add(
      {
        kind: "oat",
        hash,
        parent_id: grant.id,
        name: grant.client.name,
        policy: { scopes: scopes ?? grant.scopes },
        expires_at: Math.min(now + ACCESS_TOKEN_MS, grant.expires_at ?? Infinity),
        signed_in_at: null,
      },
      now,
    );
  const live = tokens.live("oat", now, grant.id);
  for (const id of live.slice(0, Math.max(0, live.length - LIVE_A_GRANT))) {
    tokens.revoke(id, now);
    parts.gate.bump();
    void cut(parts, tagOf.token(id), "revoked");
  }
  return { token, expires_at: row.expires_at ?? Infinity, scopes: row.policy.scopes ?? [] };
}
