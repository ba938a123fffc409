import type { ProblemCode } from "../../problem.ts";
import { Problem } from "../../problem.ts";
import { isFrozenFor, type Effect } from "../account/frozen.ts";
import { checkBudget } from "../calls/budget.ts";
import type { Call, Check, Denial, From, Holder, ReadMeter, Standing, TokenState } from "./judgement.ts";
import { checkLimits } from "./limits.ts";
import { isWithin } from "./network.ts";
import { covers, readPath, type UpstreamPath } from "./path.ts";

/** A call whose path was read. `credentials`: it would mint or show some. */
export type Asked = Omit<Call, "path"> & { path: UpstreamPath; credentials: boolean };

/** May this token be used at all, and for this? Every surface asks here, so a freeze holds on each of them (SECURITY S15). */
export function judgeToken(
  { token, now }: { token: TokenState; now: number },
  effect: Effect = "change",
): Denial | undefined {
  if (token.revoked_at !== null) return deny("revoked", "invalid_token", "This token was revoked.");
  if (token.superseded === true) return deny("superseded", "invalid_token", "This token was replaced by later ones.");
  if (token.expires_at !== null && token.expires_at <= now)
    return deny("expired", "invalid_token", "This token has expired.");
  if (isFrozenFor(token, effect)) return deny("frozen", "frozen", FROZEN);
  if (token.paused_at !== null && effect !== "leave")
    return deny("token_paused", "paused", "This token is paused. Its owner can resume it.");
  return undefined;
}

const FROZEN = "This vault is frozen. Its owner can sign in again to look, revoke and unfreeze.";

/** Token by token: may it be used, at this time and from there? */
export function* useChecks(
  holders: readonly Holder[],
  { ip, country }: From,
  now: number,
  effect: Effect = "change",
): Generator<Check> {
  for (const { token, rules } of holders) {
    const { not_before, ip_allow, countries } = rules;
    yield { rule: "token", token_id: token.id, denial: judgeToken({ token, now }, effect) };
    if (not_before !== undefined)
      yield check(
        "not_before",
        token,
        not_before <= now,
        () => `allows nothing before ${new Date(not_before).toISOString()}.`,
      );
    if (ip_allow !== undefined)
      yield check("ip_allow", token, isWithin(ip_allow, ip), () => "does not allow calls from that address.");
    if (countries !== undefined)
      yield check("countries", token, countries.has(country), () => "does not allow calls from that country.");
  }
}

/** A key outside the policy is as absent as one that is not there. */
export function* keyChecks({ holders, key, now }: Standing, direct: boolean): Generator<Check> {
  for (const { token, rules } of holders) {
    if (rules.refuses_calls) yield { rule: "scopes", token_id: token.id, denial: NOT_FOR_CALLS };
    const reached = key !== undefined && rules.keys?.has(key.id) !== false;
    if (rules.keys !== undefined || !reached)
      yield { rule: "keys", token_id: token.id, denial: reached ? undefined : direct ? NOT_ONE_KEY : NO_KEY };
  }
  const token_id = holders[0]?.token.id ?? "";
  if (key !== undefined) yield { rule: "key", token_id, denial: judgeKey(key, now) };
}

function judgeKey(key: NonNullable<Standing["key"]>, now: number): Denial | undefined {
  if (key.expires_at !== null && key.expires_at <= now)
    return deny("key_expired", "policy_denied", `The key ${key.name} has expired.`);
  if (key.paused_at !== null)
    return deny("key_paused", "paused", `The key ${key.name} is paused. Its owner can resume it.`);
  if (key.destination.placement.in === "oauth" && key.connection !== "ready" && key.connection !== "connected") {
    const detail = `${key.name} must be connected to its provider by its owner.`;
    return deny("reconnect_required", "reconnect_required", detail);
  }
  return undefined;
}

/** What the call would do. */
export function* callChecks(
  holders: readonly Holder[],
  { method, path, overridden, credentials }: Asked,
): Generator<Check> {
  for (const { token, rules } of holders) {
    const { methods, paths } = rules;
    if (methods !== undefined) {
      yield check("methods", token, methods.has(method), () => `does not allow ${method}.`);
      yield check("methods", token, !overridden, () => "allows no method override.");
    }
    if (paths !== undefined)
      yield check(
        "paths",
        token,
        paths.some((glob) => covers(glob, path)),
        () => "does not allow that path.",
      );
    if (credentials)
      yield check(
        "allow_credential_endpoints",
        token,
        !rules.refuses_credentials,
        () => "does not allow calls that would mint or show credentials.",
      );
  }
}

/** What is counted. */
export function* limitChecks(
  holders: readonly Holder[],
  readMeter: ReadMeter,
  now: number,
  most?: number,
): Generator<Check & { wait_ms: number }> {
  for (const { token, rules } of holders) {
    const budgeted = rules.spend !== undefined && most !== undefined;
    if (rules.limits === undefined && !budgeted) continue;
    const reading = readMeter(token.id);
    const budget = budgeted ? checkBudget(rules.spend ?? {}, reading.spent(now), most, now) : [];
    const spend = [...budget].map((one) => ({ rule: "spend", ...one }));
    for (const { rule, wait_ms, detail } of [...checkLimits(rules.limits ?? {}, reading, now), ...spend]) {
      const denial =
        wait_ms === 0
          ? undefined
          : wait_ms === Infinity
            ? deny(rule, "policy_denied", detail)
            : { ...deny(rule, "rate_limited", detail), retry_after_s: Math.max(1, Math.ceil(wait_ms / 1_000)) };
      yield { rule, token_id: token.id, denial, wait_ms };
    }
  }
}

/** What a refusal says of waiting is true only of the limit that takes longest, so that one is named. */
export function longestFirst(checks: Iterable<Check & { wait_ms: number }>): Check[] {
  const all = [...checks];
  const refused = all.filter(({ denial }) => denial !== undefined).sort((a, b) => b.wait_ms - a.wait_ms);
  return [...all.filter(({ denial }) => denial === undefined), ...refused];
}

/** The first no ends a judgement. `note` hears of every check. */
export function firstDenial(checks: Iterable<Check>, note?: (check: Check) => void): Denial | undefined {
  for (const check of checks) {
    note?.(check);
    if (check.denial !== undefined) return check.denial;
  }
  return undefined;
}

/** The path as it is judged, or why it cannot be. */
export function pathOf(raw: string, strict: boolean): UpstreamPath | Denial {
  try {
    return readPath(raw, strict);
  } catch (refused) {
    if (!(refused instanceof Problem)) throw refused;
    return deny("target", refused.code, refused.message);
  }
}

function check(rule: string, { id }: { id: string }, passes: boolean, why: () => string): Check {
  const denial = passes ? undefined : deny(rule, "policy_denied", `This token's policy (${rule}) ${why()}`);
  return { rule, token_id: id, denial };
}

/** What there is to say of a key that is not there, or not to be reached. */
export const NO_KEY = deny("keys", "not_found", "This token reaches no key of that name.");
/** What is told of a call that waits for a yes. */
export const ASKED_FIRST = deny("ask", "approval_required", "A person must say yes to this call first.");
/** A question shows a method: it would be a yes to another. */
export const NOT_TO_BE_ASKED = deny(
  "ask",
  "policy_denied",
  "A person must say yes to this call first, and is not asked about a method override.",
);
const NOT_FOR_CALLS = deny("scopes", "insufficient_scope", "This token lacks the scope vault:proxy, which calls need.");
const NOT_ONE_KEY = deny("keys", "not_found", "Without /v1/proxy/{key} in front, a token must reach exactly one key.");

function deny(rule: string, code: ProblemCode, detail: string): Denial {
  return { rule, code, detail };
}
