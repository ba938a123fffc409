import { readSecret, type Descendant } from "../../crypto/lineage.ts";
import type { TokenKind } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { actorOf } from "./actor.ts";
import type { Event, Origin } from "../audit/row.ts";
import { cutTokens } from "./ending.ts";
import type { Family, Issued } from "./families.ts";
import { judgeUse } from "../policy/judge.ts";
import type { Denial } from "../policy/judgement.ts";
import { tagOf } from "../calls/leashes.ts";
import { cut, type Parts } from "../parts.ts";
import { judgeRefresh } from "./rotation.ts";
import { grantsScope, type Scope } from "../policy/scopes.ts";
import type { Token } from "./token.ts";

/** A refresh token whose signature was verified, who shows it, and from where. */
export type PresentedRefresh = {
  kind: TokenKind;
  /** The token's secret as it is spelled (`VerifiedToken.secret`). */
  secret: string;
  /** The OAuth client, once it has proven who it is as far as it can. */
  client_id?: string | undefined;
  /** Where the client asks for fewer scopes than its grant has; this access token only. */
  scopes?: readonly Scope[] | undefined;
  origin: Origin;
};

const WAIT_S = 60;

/**
 * Answers a refresh (SECURITY S7). The family's key is opened first; all that follows, from recognising the token to the
 * last row, is one synchronous step, so that however many ask at once there is one rotation and each is told the same. A token that
 * its family did not give kills nothing; trouble of ours is 503, since clients throw their tokens away on anything else.
 */
export async function refresh(parts: Parts, presented: PresentedRefresh): Promise<Issued> {
  const { families, tokens } = parts;
  const token = readSecret(presented.secret);
  const key = token === undefined ? undefined : await families.keys.of(token.family);
  if (token === undefined || key === undefined) throw unknown();
  const now = Date.now();
  const family = families.find(token.family);
  if (family === undefined || family.refresh_kind !== presented.kind || !families.descends(family, key, token))
    throw unknown();
  const owner = tokens.find(family.token_id) as Token;
  const scopes = presented.scopes?.filter((scope) => grantsScope(owner.policy.scopes ?? [], scope));
  const denial =
    judgeUse(tokens.lineage(owner), presented.origin, now) ?? judgeIdle(family, now) ?? judgeScopes(scopes);
  if (denial !== undefined) throw refuse(parts, owner, presented.origin, denial, now);
  return answer(parts, { family, key, token, owner, now }, { ...presented, scopes });
}

type Step = { family: Family; key: Uint8Array; token: Descendant; owner: Token; now: number };

function answer(
  parts: Parts,
  { family, key, token, owner, now }: Step,
  presented: PresentedRefresh,
): Issued | Promise<never> {
  const { families, gate } = parts;
  const { origin, client_id = null } = presented;
  const standing = families.standing(family, token.generation, origin, now);
  const verdict = judgeRefresh({ ...standing, right_client: family.client_id === client_id });
  const subject = owner.kind === "oat" ? (owner.parent_id ?? owner.id) : owner.id;
  const note = (action: string, about: Partial<Event>) =>
    parts.audit.append({ actor: actorOf(owner), action, outcome: "ok", ...about, ...origin }, now);
  switch (verdict.do) {
    case "rotate": {
      const { next, given, dead } = families.rotate(family, key, token, origin, now);
      gate.bump();
      note("token.refresh", { subject });
      void cut(parts, [tagOf.generation(owner.id, dead)], "superseded");
      return families.issue(next, key, given, presented, now);
    }
    case "repeat": {
      const { given, habit } = families.repeat(family, key, token, verdict.why === "shared", now);
      note("token.refresh", { subject, rule: verdict.why });
      if (habit) note("refresh.shared", { subject });
      return families.issue(family, key, given, presented, now);
    }
    case "wait":
      throw refuse(parts, owner, origin, TOO_OFTEN, now);
    case "end_family":
      return endFamily(parts, owner, { subject, rule: verdict.why, ...origin }, now);
  }
}

/**
 * Ends a family: the token or the whole grant, all that it minted, and what any of these have open. Dead and recorded before
 * anything is awaited.
 */
async function endFamily(
  parts: Parts,
  owner: Token,
  about: Origin & { subject: string; rule: string },
  now: number,
): Promise<never> {
  const ended = end(parts, owner, now);
  parts.gate.bump();
  const event = { actor: actorOf(owner), action: "refresh.reuse", outcome: "refused" as const };
  const { id } = parts.audit.append({ ...event, ...about }, now);
  await cutTokens(parts, ended, "revoked");
  const detail = "This refresh token was used before. Everything that came from it is ended.";
  throw new Problem("invalid_token", detail, { rule: "reuse", request_id: id });
}

function end({ tokens, grants }: Parts, { id, kind, parent_id }: Token, now: number): string[] {
  if (kind !== "oat" || parent_id === null) return tokens.revoke(id, now);
  grants.revoke(parent_id, now);
  return [parent_id, ...tokens.revokeChildren(parent_id, now)];
}

function judgeIdle({ answered_at, idle_ms }: Family, now: number): Denial | undefined {
  if (now - answered_at <= idle_ms) return undefined;
  return { rule: "expired", code: "invalid_token", detail: "This token was not refreshed for too long." };
}

/**
 * Fewer scopes than the grant has may be asked for (RFC 6749 §6). Others are passed over, since clients go on asking for what their
 * person has unticked; a request for nothing else is refused.
 */
function judgeScopes(granted: readonly Scope[] | undefined): Denial | undefined {
  if (granted === undefined || granted.length > 0) return undefined;
  return { rule: "scopes", code: "insufficient_scope", detail: "The grant has no such scope." };
}

const TOO_OFTEN: Denial = {
  rule: "repeats",
  code: "rate_limited",
  detail: "This token was refreshed too often in one minute.",
};

function refuse({ audit, refusals }: Parts, owner: Token, origin: Origin, denial: Denial, now: number): Problem {
  const { rule, code, detail } = denial;
  const event = { actor: actorOf(owner), action: "token.refresh", outcome: "refused" as const, rule, ...origin };
  const request_id = refusals.isFirst(event, now) ? audit.append(event, now).id : undefined;
  const retry_after_s = code === "rate_limited" ? WAIT_S : undefined;
  return new Problem(code, detail, { rule, request_id, retry_after_s });
}

function unknown(): Problem {
  return new Problem("invalid_token", "This token is not known here.");
}
