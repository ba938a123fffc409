import type { Effect } from "../account/frozen.ts";
import {
  ASKED_FIRST,
  callChecks,
  firstDenial,
  keyChecks,
  limitChecks,
  longestFirst,
  NO_KEY,
  NOT_TO_BE_ASKED,
  pathOf,
  useChecks,
  type Asked,
} from "./checks.ts";
import { isGuarded, touchesCredentials } from "./credential_endpoints.ts";
import type { Call, Charge, Check, Denial, From, Holder, ReadMeter, Standing, Verdict } from "./judgement.ts";
import { covers } from "./path.ts";
import { addressOf, type Ask } from "./rules.ts";

/** The meter of a token's rules on trial: they count only what they would let through. */
export const trialMeter = (token_id: string) => `${token_id}~warn`;

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
  const asked = { ...call, path, credentials: touchesCredentials(key.destination, path, call) };
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
  if (ids.length === 0) return { verdict: "allow", ...passed };
  return call.overridden ? { verdict: "deny", denial: NOT_TO_BE_ASKED } : { verdict: "ask", asking: ids, ...passed };
}

/** Methods that a policy can name (CONTRACT §3). */
const NAMED = new Set(["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"]);

type ForKey = NonNullable<Standing["key"]>;

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
