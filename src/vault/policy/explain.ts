import { Problem, statusOf } from "../../problem.ts";
import { ASKED_FIRST } from "./checks.ts";
import type { Check, Denial, Verdict } from "./judgement.ts";
import type { Parts } from "../parts.ts";
import { isWithin } from "./reach.ts";

/** A call that somebody asks about. Without a key it is asked in direct mode; times are epoch milliseconds. */
export type Question = {
  token_id: string;
  key: string | null;
  method: string;
  path: string;
  ip: string;
  country: string;
  at: number;
};

/** What would be decided, by which rule, and every check on the way. */
export type Explanation = {
  decision: Verdict["verdict"];
  refusal: (Denial & { status: number }) | undefined;
  would_refuse: Denial | undefined;
  key: { id: string; name: string } | undefined;
  checks: { rule: string; token_id: string; passed: boolean }[];
};

/**
 * What the gate would decide about a call, by the gate's own judgement. Nothing is written and nothing is counted. Only of tokens that the
 * caller could list, and for callers who are held to certain keys only of those (SECURITY S22).
 */
export function explain(
  { tokens, gate, quota, audit, reach }: Parts,
  { token_id, at, ...call }: Question,
): Explanation {
  const token = tokens.find(token_id);
  if (token?.kind !== "app" || !isWithin(reach, token.policy.keys))
    throw new Problem("not_found", "There is no such token.");
  const ask = { ...call, overridden: false, user_agent: "" };
  const { verdict, checks, key } = gate.explain(token, ask, at);
  if (reach !== null && (key === undefined || !reach.has(key.id)))
    throw new Problem("not_found", "There is no such key.");
  // The gate asks this first, since it is no matter of the token.
  const no_room = quota.refusal(audit.heads.head_seq, at);
  if (no_room !== undefined) {
    const { code, message, extras, status } = no_room;
    const { rule = code, retry_after_s } = extras;
    const refusal = { rule, code, detail: message, retry_after_s, status };
    return { decision: "deny", refusal, would_refuse: undefined, key: undefined, checks: [] };
  }
  const refusal = verdict.verdict === "deny" ? verdict.denial : verdict.verdict === "ask" ? ASKED_FIRST : undefined;
  return {
    decision: verdict.verdict,
    refusal: refusal && { ...refusal, status: statusOf(refusal.code) },
    would_refuse: verdict.verdict === "deny" ? undefined : verdict.would_refuse,
    key: key && reached(checks) ? { id: key.id, name: key.name } : undefined,
    checks: checks.map(({ rule, token_id, denial }) => ({ rule, token_id, passed: denial === undefined })),
  };
}

/** Was it found that the token reaches the key? Before that nothing is told of it. */
function reached(checks: readonly Check[]): boolean {
  return checks.some(({ rule }) => rule === "key");
}
