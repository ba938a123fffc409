import { configOf } from "../../config.ts";
import { mintToken } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { recognise, type Caller } from "./caller.ts";
import type { Holder } from "../policy/judgement.ts";
import type { CreatedToken } from "./manage_tokens.ts";
import { record, type Parts } from "../parts.ts";
import type { Policy } from "../policy/policy.ts";
import { resolvePolicy, type PolicyInput } from "../policy/resolve_policy.ts";
import { assertFor, DEPTH_LIMIT } from "./lineage.ts";
import { widerFields, type Bounds } from "../policy/wider.ts";

/** Children that one token may have alive: what an app makes, its owner must still be able to look through. */
const CHILDREN_LIMIT = 100;
/** And all that stems from one: whoever holds one token does not fill the vault, which has room for so many more. */
const DESCENDANTS_LIMIT = 250;
/** Each leaves a row, of which a vault has only so many a day (SECURITY S14): so many are derived from one while the dead are remembered. */
const AN_HOUR = 1_000;
/** How long a dead child's refusals still have a name. */
const REMEMBERED_MS = 60 * 60_000;

/**
 * An app token mints a narrower one, for a sub-agent or a job: never wider, never longer, dead with its parent, and its uses are
 * its parents' too. Each of them is judged anew at every call, so whatever narrows, pauses or ends one of them does it to this.
 */
export function deriveToken(parts: Parts, caller: Caller, name: string, input: PolicyInput): CreatedToken {
  const { tokens, keys, quota, audit, meters, env, vault_id } = parts;
  const now = Date.now();
  const by = recognise(tokens, caller, now);
  quota.assertRoom(audit.heads.head_seq, now);
  const lineage = tokens.lineage(by);
  assertFor(lineage, "vault:write");
  if (lineage.filter(({ token }) => token.kind === "app").length > DEPTH_LIMIT)
    throw refused("depth", `Tokens are derived at most ${DEPTH_LIMIT} deep.`);
  const eldest = tokens.eldest(by.id);
  for (const id of tokens.forgetDead(eldest, now - REMEMBERED_MS)) meters.remove(id);
  if (tokens.live("app", now, by.id).length >= CHILDREN_LIMIT)
    throw new Problem("conflict", `A token has at most ${CHILDREN_LIMIT} live children.`);
  if (tokens.liveUnder(eldest, now).length >= DESCENDANTS_LIMIT)
    throw new Problem("conflict", `From a token and its children at most ${DESCENDANTS_LIMIT} live ones are derived.`);
  if (tokens.descendants(eldest).length >= AN_HOUR)
    throw new Problem("rate_limited", "Too many tokens were derived from this one within the hour.", {
      rule: "derived",
      retry_after_s: 600,
    });
  const given = { ...resolvePolicy(keys, input, reachOf(lineage)), expires_at: input.expires_at };
  const wider = new Set(lineage.flatMap(({ token }) => widerFields(boundsOf(token), overlaid(boundsOf(token), given))));
  if (wider.size > 0) {
    const errors = [...wider].map((field) => ({
      field: `policy.${field}`,
      rule: "must not allow more than the parent",
    }));
    throw new Problem("insufficient_scope", "A derived token is never wider than its parent.", {
      rule: "parent",
      errors,
    });
  }
  const { policy, expires_at } = derived(boundsOf(by), given);
  const { token, hash } = mintToken(configOf(env).token_keys, "app", vault_id);
  const fresh = { kind: "app" as const, hash, parent_id: by.id, name, policy, expires_at, signed_in_at: null };
  const row = tokens.add(fresh, now);
  record(parts, by, caller, "token.derive", { subject: row.id });
  return { row, token, expires_at };
}

/**
 * What a child starts with: its parent's rules, narrowed by what was asked. What is counted is not copied: the parent's meters
 * count the child's uses anyhow.
 */
export function derived(parent: Bounds, given: Policy & Bounds): { policy: Policy; expires_at: number | null } {
  const {
    max_uses: _uses,
    daily_quota: _quota,
    rate: _rate,
    max_concurrent: _at_once,
    spend: _budget,
    ...kept
  } = parent;
  const { expires_at, ...policy } = overlaid(kept, given);
  return { policy, expires_at: expires_at ?? null };
}

/** A token's policy and its end, without rules on trial, and without what its grant says at each judgement. */
export function boundsOf({ policy, expires_at }: { policy: Policy; expires_at: number | null }): Bounds {
  const { warn: _on_trial, scopes: _of_its_grant, ...terms } = policy;
  return { ...terms, expires_at };
}

function overlaid(bounds: Bounds, given: Policy & Bounds): Policy & Bounds {
  const said = Object.entries(given).filter(([, value]) => value !== undefined);
  return { ...bounds, ...Object.fromEntries(said) };
}

/** The keys that all of them reach; undefined: any. */
export function reachOf(lineage: readonly Holder[]): ReadonlySet<string> | undefined {
  const [first, ...others] = lineage.map(({ rules }) => rules.keys).filter((keys) => keys !== undefined);
  return first && new Set([...first].filter((id) => others.every((keys) => keys.has(id))));
}

function refused(rule: string, detail: string): Problem {
  return new Problem("policy_denied", detail, { rule });
}
