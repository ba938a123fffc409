import { assertMayResume, takeOffHold } from "../account/on_hold.ts";
import { Problem } from "../../problem.ts";
import { cameByMcp, recognise, type Caller } from "./caller.ts";
import { giveBack } from "./give_back.ts";
import { cutTokens, judgeAgain } from "./ending.ts";
import { assertNarrower, type Grant, type Narrowing } from "./grants.ts";
import { tagOf } from "../calls/leashes.ts";
import { record, type Parts } from "../parts.ts";
import { isWithin } from "../policy/reach.ts";
import type { Receipt } from "../receipt.ts";
import { resolveKeys } from "../policy/resolve_policy.ts";

/** A grant with what is going on under it: how often its tokens were renewed, and how many MCP sessions are open. */
export type GrantDetails = Grant & { rotations: number; live_sessions: number };

/** Live grants with their uses up to this moment. */
export function listGrants(parts: Parts, before: string | undefined, limit: number): GrantDetails[] {
  return detailed(parts, parts.grants.list(before, limit, Date.now(), parts.reach));
}

export function getGrant(parts: Parts, id: string): GrantDetails {
  return detailed(parts, [grantOf(parts, id)])[0] as GrantDetails;
}

/** The grant of that id, where the caller may know of it. */
function grantOf({ grants, reach }: Parts, id: string): Grant {
  const grant = grants.must(id);
  if (isWithin(reach, grant.keys)) return grant;
  throw new Problem("not_found", "There is no such grant.");
}

/** Takes something away from a grant. What it has open and may no longer do is cut. */
export async function narrowGrant(parts: Parts, caller: Caller, id: string, to: Narrowing): Promise<GrantDetails> {
  const { grants, gate, tokens } = parts;
  const by = recognise(tokens, caller, Date.now(), "narrow");
  const grant = grantOf(parts, id);
  const narrowing = { ...to, keys: to.keys && resolveKeys(parts.keys, to.keys, "keys") };
  assertNarrower(grant, narrowing);
  grants.narrow(grant, narrowing);
  gate.bump();
  record(parts, by, caller, "grant.narrow", { subject: id });
  // A session was opened under what the grant was then (SECURITY S23).
  const narrowed = [id, ...tokens.descendants(id)].map((each) => tagOf.token(each));
  await Promise.all([judgeAgain(parts, narrowed), parts.mcp_sessions.endOf([id], Date.now())]);
  return getGrant(parts, id);
}

/** Pausing cuts what the client has open, and what was made under it. */
export async function pauseGrant(parts: Parts, caller: Caller, id: string): Promise<GrantDetails> {
  const { grants, gate, tokens } = parts;
  const by = recognise(tokens, caller, Date.now(), "stop");
  const { paused_at, revoked_at } = grantOf(parts, id);
  if (revoked_at !== null) throw new Problem("conflict", "A revoked grant cannot be paused.");
  grants.pause(id, Date.now());
  gate.bump();
  if (paused_at === null) record(parts, by, caller, "grant.pause", { subject: id });
  await cutTokens(parts, [id, ...tokens.descendants(id)], "token_paused");
  return getGrant(parts, id);
}

export function resumeGrant(parts: Parts, caller: Caller, id: string): GrantDetails {
  const by = recognise(parts.tokens, caller, Date.now());
  if (grantOf(parts, id).revoked_at !== null) throw new Problem("conflict", "A revoked grant cannot be resumed.");
  assertMayResume(parts, by, id);
  parts.grants.resume(id);
  takeOffHold(parts, id);
  record(parts, by, caller, "grant.resume", { subject: id });
  return getGrant(parts, id);
}

/**
 * Ends a grant and, in the same step, every token that stems from it; no other grant of the same client is touched. Doing it
 * again answers the first time's receipt.
 */
export function revokeGrant(parts: Parts, caller: Caller, id: string): Promise<Receipt> {
  const by = recognise(parts.tokens, caller, Date.now(), "stop");
  const { revoked_at } = grantOf(parts, id);
  const ended = endGrant(parts, id, cameByMcp(caller));
  if (revoked_at === null) record(parts, by, caller, "grant.revoke", { subject: id });
  return ended;
}

/** Takes back that a client has revoked it. */
export function giveGrantBack(parts: Parts, caller: Caller, id: string): GrantDetails {
  giveBack(parts, caller, grantOf(parts, id).id, "grant.restore");
  return getGrant(parts, id);
}

/**
 * Ends a grant for whatever reason. It is dead before this returns; the receipt comes once what it had open is cut. Where a model
 * wished it, its person may take that back.
 */
export async function endGrant(parts: Parts, id: string, by_model = false): Promise<Receipt> {
  const { grants, tokens, gate, regrets } = parts;
  const now = Date.now();
  const { revoked_at, last_used_at } = getGrant(parts, id);
  grants.revoke(id, now);
  const ended = [id, ...tokens.revokeChildren(id, now)];
  if (!by_model) regrets.settle(id);
  else if (revoked_at === null) regrets.keep(id, ended, now);
  gate.bump();
  return { id, revoked_at: revoked_at ?? now, last_used_at, ...(await cutTokens(parts, ended, "revoked")) };
}

/** Counts of uses as stored, plus those still in the outbox. */
function detailed({ audit, families, mcp_sessions }: Parts, grants: readonly Grant[]): GrantDetails[] {
  const recent = audit.uses.byId();
  const rotations = families.rotations("oat");
  const sessions = mcp_sessions.counts();
  return grants.map((grant) => {
    const { uses = 0, refused = 0, last_used_at = null } = recent.get(grant.id) ?? {};
    return {
      ...grant,
      uses: grant.uses + uses,
      refused: grant.refused + refused,
      last_used_at: last_used_at ?? grant.last_used_at,
      rotations: rotations.get(grant.id) ?? 0,
      live_sessions: sessions.get(grant.id) ?? 0,
    };
  });
}
