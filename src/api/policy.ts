/** Policies on their way in and out: times as epoch milliseconds inside, as RFC 3339 outside. */
import type * as z from "zod";
import type { PolicyChanges } from "../vault/tokens/change_token.ts";
import type { PolicyInput } from "../vault/policy/resolve_policy.ts";
import type { AskRule } from "../vault/policy/policy.ts";
import type { Token as StoredToken } from "../vault/tokens/token.ts";
import type { Policy, PolicyPatch, StoredAsk, StoredPolicy } from "./schema.ts";

type Times = { not_before?: string | undefined; expires_at?: string | undefined };

/** A policy as a person writes it, for the vault, which resolves what it names. */
export function policyInput({ warn, ...policy }: z.output<typeof Policy>): PolicyInput {
  return { ...policy, ...timesIn(policy), warn: warn && { ...warn, ...timesIn(warn) } };
}

/** Changes to a policy, for the vault. Null takes a rule away. */
export function policyChanges({ warn, not_before, expires_at, ...rest }: z.output<typeof PolicyPatch>): PolicyChanges {
  return {
    ...rest,
    not_before: timeChange(not_before),
    expires_at: timeChange(expires_at),
    warn: warn && { ...warn, ...timesIn(warn) },
  };
}

function timeChange(text: string | null | undefined): number | null | undefined {
  return typeof text === "string" ? Date.parse(text) : text;
}

/** A stored policy as it is told; when a token ends is told with it. */
export function wirePolicy({
  policy: { warn, ...policy },
  expires_at,
}: Pick<StoredToken, "policy" | "expires_at">): z.output<typeof StoredPolicy> {
  const told = { ...policy, expires_at: expires_at ?? undefined };
  return { ...mutable(told), warn: warn && mutable(warn) };
}

export function wireAsk(rule: AskRule | undefined): z.output<typeof StoredAsk> | undefined {
  if (rule === undefined) return undefined;
  const { methods, paths, allowed } = rule;
  return { methods: methods && [...methods], paths: paths && [...paths], allowed: allowed && [...allowed] };
}

function timesIn({ not_before, expires_at }: Times) {
  return {
    not_before: not_before === undefined ? undefined : Date.parse(not_before),
    expires_at: expires_at === undefined ? undefined : Date.parse(expires_at),
  };
}

function mutable({ keys, methods, paths, ip_allow, countries, not_before, expires_at, ...rest }: PolicyInput) {
  return {
    keys: keys && [...keys],
    methods: methods && [...methods],
    paths: paths && [...paths],
    ip_allow: ip_allow && [...ip_allow],
    countries: countries && [...countries],
    not_before: timeOut(not_before),
    expires_at: timeOut(expires_at),
    max_uses: rest.max_uses,
    rate: rest.rate,
    daily_quota: rest.daily_quota,
    max_concurrent: rest.max_concurrent,
    spend: rest.spend,
    ask: wireAsk(rest.ask),
    allow_credential_endpoints: rest.allow_credential_endpoints,
  };
}

function timeOut(ms: number | null | undefined): string | undefined {
  return ms === undefined || ms === null ? undefined : new Date(ms).toISOString();
}
