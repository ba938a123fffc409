import { readSecret } from "../../crypto/lineage.ts";
import type { TokenKind } from "../../crypto/token.ts";
import { actorOf } from "../tokens/actor.ts";
import type { Actor, Origin } from "../audit/row.ts";
import { endCode } from "../tokens/authorizations.ts";
import { cutTokens } from "../tokens/ending.ts";
import { endGrant } from "../tokens/manage_grants.ts";
import type { Parts } from "../parts.ts";
import { raiseAlert } from "./raise.ts";
import type { Token } from "../tokens/token.ts";

/** A token that somebody has found, once its signature was verified: `secret` as it is spelled. */
export type Leaked = { kind: TokenKind; hash: string; secret: string };

/**
 * Ends whatever a leaked token stands for: the token and all that it minted, the whole family of a refresh token, the grant
 * behind a client's tokens or code (SECURITY S28). Whoever reports proves nothing but that the token is out, and that is enough.
 * Nobody is told whether it was alive, and what is dead already is not spoken of again.
 */
export async function endLeaked(parts: Parts, leaked: Leaked, origin: Origin): Promise<void> {
  if (leaked.kind === "oac") return endWhat(parts, endCode(parts, leaked.hash), deviceOf(parts, leaked.hash), origin);
  const token = await tokenOf(parts, leaked);
  if (token !== undefined) await endWhat(parts, grantOf(token), token, origin);
}

/** The token that this text belongs to, dead or alive. Looking is no use of it. */
async function tokenOf({ tokens, families }: Parts, { kind, hash, secret }: Leaked): Promise<Token | undefined> {
  if (kind !== "ref" && kind !== "ort") {
    const token = tokens.look(hash);
    return token?.kind === kind ? token : undefined;
  }
  const link = readSecret(secret);
  const key = link && (await families.keys.of(link.family));
  const family = link && families.find(link.family);
  if (link === undefined || key === undefined || family?.refresh_kind !== kind) return undefined;
  return families.descends(family, key, link) ? tokens.find(family.token_id) : undefined;
}

/** Takes back a yes that no device has fetched; answers the device that came of the code, if one did. */
function deviceOf({ devices, tokens }: Parts, code_hash: string): Token | undefined {
  const device_id = devices.approval(code_hash)?.device_id ?? undefined;
  if (device_id === undefined) devices.dropApproval(code_hash);
  return device_id === undefined ? undefined : tokens.find(device_id);
}

/** A client's tokens end with their grant. */
function grantOf({ kind, parent_id }: Token): string | undefined {
  return kind === "oat" ? (parent_id ?? undefined) : undefined;
}

async function endWhat(
  parts: Parts,
  grant_id: string | undefined,
  token: Token | undefined,
  origin: Origin,
): Promise<void> {
  const { grants, tokens, gate, regrets } = parts;
  const grant = grant_id === undefined ? undefined : grants.find(grant_id);
  // What is out is not given back.
  for (const id of [grant_id, token?.id]) if (id !== undefined) regrets.settle(id);
  if (grant !== undefined) {
    if (grant.revoked_at !== null) return;
    const cutting = endGrant(parts, grant.id);
    tell(parts, { kind: "oauth", id: grant.id, name: grant.client.name }, origin);
    await cutting;
    return;
  }
  if (token === undefined || token.revoked_at !== null) return;
  const ended = tokens.revoke(token.id, Date.now());
  gate.bump();
  tell(parts, actorOf(token), origin);
  await cutTokens(parts, ended, "revoked");
}

function tell(parts: Parts, actor: Actor, origin: Origin): void {
  parts.audit.append({ actor, action: "token.leak", outcome: "ok", subject: actor.id, ...origin }, Date.now());
  raiseAlert(parts, { kind: "token_leak", subject: actor.id, name: actor.name }, origin);
}
