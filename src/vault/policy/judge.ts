import type { TokenKind } from "../../crypto/token.ts";
import type { ProblemCode } from "../../problem.ts";
import { Problem } from "../../problem.ts";
import { checkBudget } from "../calls/budget.ts";
import type { ConnectionState } from "../connections/connection_rows.ts";
import { isGuarded, touchesCredentials } from "./credential_endpoints.ts";
import { isFrozenFor, type Effect, type Freeze } from "../account/frozen.ts";
import type { Destination } from "../keys/keys.ts";
import { checkLimits, type Limits, type Reading } from "./limits.ts";
import { isWithin } from "./network.ts";
import { covers, readPath, type UpstreamPath } from "./path.ts";
import { addressOf, type Ask, type Rules } from "./rules.ts";

/** How a token stands. Times are epoch milliseconds. */
export type TokenState = {
  id: string;
  kind: TokenKind;
  signed_in_at: number | null;
  expires_at: number | null;
  paused_at: number | null;
  revoked_at: number | null;
  /** It was an access token of a generation that is over. */
  superseded?: boolean | undefined;
  /** The freeze that lies over its vault. */
  frozen: Freeze | null;
};

/** A token whose leave a call needs, with its policy as it was read. */
export type Holder = { token: TokenState; rules: Rules };

/** What a decision is made on. */
export type Standing = {
  /** The token that is shown, then those that it was derived from, one by one: each must agree. */
  holders: readonly Holder[];
  key:
    | {
        id: string;
        name: string;
        expires_at: number | null;
        paused_at: number | null;
        destination: Destination;
        connection: ConnectionState | null;
      }
    | undefined;
  now: number;
};

/** Where somebody calls from, as the platform tells it. */
export type From = { ip: string; country: string };

/**
 * The call that is asked about; `path` as it came. `overridden` = it carries a header or parameter by which servers take
 * another method; `direct` = it names no key.
 */
export type Call = From & {
  method: string;
  path: string;
  overridden: boolean;
  direct: boolean;
  /** The most that it may cost, in millionths of a dollar; undefined where no budget pays for it. */
  most?: number | undefined;
};

/** Why a call is refused; `rule` is named to the caller and in the audit row. */
export type Denial = { rule: string; code: ProblemCode; detail: string; retry_after_s?: number | undefined };

/** One check of a judgement, whose rule it was, and the refusal where it did not pass. */
export type Check = { rule: string; token_id: string; denial: Denial | undefined };

/** What is to be counted once a call is let through: on which meter, by which limits. */
export type Charge = { meter: string; limits: Limits };

/** The judgement. A yes says what a rule on trial would have refused, and what the call is charged to. */
export type Verdict =
  | ({ verdict: "allow" } & Passed)
  /** Everything passes, but a person must say yes first: the tokens whose policies ask. */
  | ({ verdict: "ask"; asking: readonly string[] } & Passed)
  | { verdict: "deny"; denial: Denial };

type Passed = { path: UpstreamPath; charges: readonly Charge[]; would_refuse: Denial | undefined };

/** Reads a meter; without it, what is counted is not judged: a call that was let through is not counted twice. */
export type ReadMeter = (meter: string) => Reading;

/** The meter of a token's rules on trial: they count only what they would let through. */
export const trialMeter = (token_id: string) => `${token_id}~warn`;

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
  if (token.paused_at !== null) return deny("token_paused", "paused", "This token is paused. Its owner can resume it.");
  return undefined;
}

const FROZEN = "This vault is frozen. Its owner can sign in again to look, revoke and unfreeze.";

/** May somebody act with this token, at this moment and from there, whatever it is for? Nothing is said of keys. */
export function judgeUse(
  holders: readonly Holder[],
  from: From,
  now: number,
  effect: Effect = "change",
): Denial | undefined {
  return firstDenial(useChecks(holders, from, now, effect));
}

/**
 * The whole decision. Pure: the live engine, a leash that is asked again and `explain` are this same code. In order, and the
 * first no ends it: token, time and place; key; path; method and what the call would do; what is counted. A caller without a
 * right to a key learns nothing of it. `note` hears of every check.
 */
export function judge(standing: Standing, call: Call, readMeter?: ReadMeter, note?: (check: Check) => void): Verdict {
  const { holders, key, now } = standing;
  const denied =
    firstDenial(useChecks(holders, call, now), note) ?? firstDenial(keyChecks(standing, call.direct), note);
  if (denied !== undefined || key === undefined) return { verdict: "deny", denial: denied ?? NO_KEY };
  const fenced =
    key.destination.base_path !== "" || holders.some(({ rules }) => (rules.paths ?? rules.ask?.paths) !== undefined);
  const strict = fenced || isGuarded(key.destination);
  const path = pathOf(call.path, strict);
  note?.({ rule: "target", token_id: holders[0]?.token.id ?? "", denial: "code" in path ? path : undefined });
  if ("code" in path) return { verdict: "deny", denial: path };
  const asked = { ...call, path, credentials: touchesCredentials(key.destination, { ...call, path }) };
  const refused =
    firstDenial(callChecks(holders, asked), note) ??
    (readMeter && firstDenial(longestFirst(limitChecks(holders, readMeter, now, call.most)), note));
  if (refused !== undefined) return { verdict: "deny", denial: refused };

  const charges: Charge[] = [];
  let would_refuse: Denial | undefined;
  for (const { token, rules } of holders) {
    if (rules.limits !== undefined) charges.push({ meter: token.id, limits: rules.limits });
    if (rules.warn === undefined) continue;
    const refusal = onTrial({ token, rules: rules.warn }, standing, asked, strict, readMeter);
    if (refusal === undefined && rules.warn.limits !== undefined)
      charges.push({ meter: trialMeter(token.id), limits: rules.warn.limits });
    would_refuse ??= refusal;
  }
  const passed = { path, charges, would_refuse };
  const asking = holders.filter(({ rules }) => rules.ask !== undefined && needsYes(rules.ask, asked, key));
  const ids = asking.map(({ token }) => token.id);
  return ids.length > 0 ? { verdict: "ask", asking: ids, ...passed } : { verdict: "allow", ...passed };
}

/** Methods that a policy can name (CONTRACT §3). */
const NAMED = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]);

type ForKey = NonNullable<Standing["key"]>;
type Asked = Omit<Call, "path"> & { path: UpstreamPath; credentials: boolean };

/** A method that is overridden may be any, and what one that no policy can name may do nobody knows. */
function needsYes(
  { methods, paths, allowed }: Ask,
  { method, path, overridden }: Asked,
  { id, destination }: ForKey,
): boolean {
  if (methods !== undefined && NAMED.has(method) && !methods.has(method) && !overridden) return false;
  if (paths !== undefined && !paths.some((glob) => covers(glob, path))) return false;
  const { host } = new URL(destination.origin);
  return overridden || !allowed.has(addressOf({ key: id, host, method, path: path.raw }));
}

/** What rules on trial would refuse. They are judged as others are, on meters of their own. */
function onTrial(
  { token, rules }: Holder,
  { key, now }: Standing,
  asked: Asked,
  strict: boolean,
  readMeter: ReadMeter | undefined,
): Denial | undefined {
  const holders = [{ token: { ...token, expires_at: rules.expires_at ?? null }, rules }];
  const path = rules.paths !== undefined && !strict ? pathOf(asked.path.raw, true) : asked.path;
  return (
    firstDenial(useChecks(holders, asked, now)) ??
    (rules.keys?.has(key?.id ?? "") === false ? NO_KEY : undefined) ??
    ("code" in path ? path : firstDenial(callChecks(holders, asked))) ??
    (readMeter && firstDenial(longestFirst(limitChecks(holders, (meter) => readMeter(trialMeter(meter)), now)))) ??
    (rules.ask && key && !("code" in path) && needsYes(rules.ask, { ...asked, path }, key) ? ASKED_FIRST : undefined)
  );
}

function* useChecks(
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
function* keyChecks({ holders, key, now }: Standing, direct: boolean): Generator<Check> {
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

function* callChecks(holders: readonly Holder[], { method, path, overridden, credentials }: Asked): Generator<Check> {
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

function* limitChecks(
  holders: readonly Holder[],
  readMeter: ReadMeter,
  now: number,
  most?: number,
): Generator<Check & { wait_ms: number }> {
  for (const { token, rules } of holders) {
    const budgeted = rules.spend !== undefined && most !== undefined;
    if (rules.limits === undefined && !budgeted) continue;
    const reading = readMeter(token.id);
    const budget = budgeted ? checkBudget(rules.spend ?? {}, reading.spent(), most, now) : [];
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
function longestFirst(checks: Iterable<Check & { wait_ms: number }>): Check[] {
  const all = [...checks];
  const refused = all.filter(({ denial }) => denial !== undefined).sort((a, b) => b.wait_ms - a.wait_ms);
  return [...all.filter(({ denial }) => denial === undefined), ...refused];
}

function firstDenial(checks: Iterable<Check>, note?: (check: Check) => void): Denial | undefined {
  for (const check of checks) {
    note?.(check);
    if (check.denial !== undefined) return check.denial;
  }
  return undefined;
}

function pathOf(raw: string, strict: boolean): UpstreamPath | Denial {
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
const NOT_FOR_CALLS = deny("scopes", "insufficient_scope", "This token lacks the scope vault:proxy, which calls need.");
const NOT_ONE_KEY = deny("keys", "not_found", "Without /v1/proxy/{key} in front, a token must reach exactly one key.");

function deny(rule: string, code: ProblemCode, detail: string): Denial {
  return { rule, code, detail };
}
