import { accountIdOf } from "../account/account.ts";
import { readSecret } from "../../crypto/lineage.ts";
import type { TokenKind } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import type { GrantTokens } from "./access_tokens.ts";
import type { Origin } from "../audit/row.ts";
import type { Grant } from "./grants.ts";
import { tagOf } from "../calls/leashes.ts";
import { endGrant } from "./manage_grants.ts";
import { cut, type Parts } from "../parts.ts";
import { judgeToken } from "../policy/checks.ts";
import { refresh, type PresentedRefresh } from "./refresh.ts";
import type { Effect } from "../account/frozen.ts";
import type { Token } from "./token.ts";

/** An access or refresh token that a client shows about itself. The client has proven who it is. */
export type Shown = { kind: TokenKind; hash: string; secret: string; client_id: string };

/** What a client is told of a token of its own (RFC 7662 §2.2). Times are epoch milliseconds. */
export type Introspection =
  | { active: false }
  | {
      active: true;
      kind: "oat" | "ort";
      client_id: string;
      account_id: string;
      scopes: readonly string[];
      issued_at: number;
      expires_at: number | null;
    };

/** `newest`: of a refresh token, that nothing has replaced it yet. */
type Found = { token: Token; grant: Grant; live: boolean; newest: boolean };

/** Refreshes a grant (SECURITY S7), and tells what the new access token may do. */
export async function refreshGrant(parts: Parts, presented: PresentedRefresh): Promise<GrantTokens> {
  const issued = await refresh(parts, presented);
  const granted = parts.tokens.find(issued.token_id)?.policy.scopes ?? [];
  const { scopes: asked = granted } = presented;
  return { ...issued, scopes: granted.filter((scope) => asked.includes(scope)) };
}

/**
 * RFC 7009. A refresh token takes its whole grant with it, an old one too: the client is done. An access token ends by itself. What is not known
 * here needs no revoking; what belongs to another client is not this one's to end.
 */
export async function revokeShown(parts: Parts, shown: Shown, origin: Origin): Promise<void> {
  const found = await find(parts, shown, "leave");
  if (found === undefined || !found.live) return;
  const { token, grant } = found;
  if (grant.client_id !== shown.client_id)
    throw new Problem("unauthorized_client", "This token was given to another client.");
  const now = Date.now();
  const actor = { kind: "oauth" as const, id: grant.id, name: grant.client.name };
  const record = (action: string, subject: string | undefined) =>
    parts.audit.append({ actor, action, outcome: "ok", subject, ...origin }, now);
  if (shown.kind === "ort") {
    record("grant.revoke", grant.id);
    await endGrant(parts, grant.id);
    return;
  }
  const { id, generation } = token;
  // One access token of many has no id.
  record("token.revoke", generation === undefined ? id : undefined);
  parts.tokens.endAccess(token, shown.hash, now);
  if (generation !== undefined) parts.under_way.disown(id, generation);
  parts.gate.bump();
  await cut(parts, [generation === undefined ? tagOf.token(id) : tagOf.generation(id, generation)], "revoked");
}

/** RFC 7662, for tokens of the asking client. Looking changes nothing, not even whether an answer counts as arrived (SECURITY S28). */
export async function introspect(parts: Parts, shown: Shown): Promise<Introspection> {
  const found = await find(parts, shown, "change");
  if (found === undefined || !found.live || !found.newest || found.grant.client_id !== shown.client_id)
    return { active: false };
  const { token, grant } = found;
  return {
    active: true,
    kind: shown.kind === "ort" ? "ort" : "oat",
    client_id: grant.client_id,
    account_id: accountIdOf(parts),
    scopes: token.policy.scopes ?? [],
    issued_at: token.created_at,
    expires_at: token.expires_at,
  };
}

async function find(parts: Parts, { kind, hash, secret }: Shown, effect: Effect): Promise<Found | undefined> {
  const { families, tokens, grants } = parts;
  const link = kind === "ort" ? readSecret(secret) : undefined;
  const key = link === undefined ? undefined : await families.keys.of(link.family);
  const family = link === undefined ? undefined : families.find(link.family);
  const known =
    link !== undefined && key !== undefined && family?.refresh_kind === kind && families.descends(family, key, link);
  const token = kind === "oat" ? tokens.look(hash) : known ? tokens.find(family.token_id) : undefined;
  const grant = token?.kind === "oat" ? grants.find(token.parent_id ?? "") : undefined;
  if (token === undefined || grant === undefined) return undefined;
  const newest = kind === "oat" || family?.head === link?.generation;
  return { token, grant, live: judgeToken({ token, now: Date.now() }, effect) === undefined, newest };
}
