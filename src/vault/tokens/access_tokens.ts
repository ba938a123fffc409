import { configOf } from "../../config.ts";
import { mintToken } from "../../crypto/token.ts";
import type { Origin } from "../audit/row.ts";
import type { PreparedFamily } from "./family_keys.ts";
import type { Grant } from "./grants.ts";
import type { Parts } from "../parts.ts";
import type { Scope } from "../policy/scopes.ts";

/** Tokens of a grant: their texts, which are not kept, and when the access token ends (epoch ms). */
export type GrantTokens = {
  token: string;
  expires_at: number;
  scopes: readonly Scope[];
  refresh_token: string | undefined;
};

const ACCESS_MS = 60 * 60_000;
const REFRESH_IDLE_MS = 30 * 86_400_000;
const REFRESH_LIMIT_MS = 365 * 86_400_000;

/** Issues the first tokens of a grant: with a family one that rotates for as long as it is used, else one access token. */
export function issueTokens(
  parts: Parts,
  grant: Grant,
  family: PreparedFamily | undefined,
  origin: Origin,
  now: number,
): GrantTokens {
  const { tokens, families, env, vault_id } = parts;
  const { id: parent_id, client, client_id, scopes } = grant;
  const row = { kind: "oat", parent_id, name: client.name, policy: { scopes }, signed_in_at: null } as const;
  if (family === undefined) {
    const { token, hash } = mintToken(configOf(env).token_keys, "oat", vault_id);
    const expires_at = Math.min(now + ACCESS_MS, grant.expires_at ?? Infinity);
    tokens.add({ ...row, hash, expires_at }, now);
    return { token, expires_at, scopes, refresh_token: undefined };
  }
  const owner = tokens.add({ ...row, hash: null, expires_at: now + REFRESH_LIMIT_MS }, now);
  const terms = { refresh_kind: "ort", client_id, access_ms: ACCESS_MS, idle_ms: REFRESH_IDLE_MS } as const;
  return { ...families.open(family, owner, terms, origin, now), scopes };
}
