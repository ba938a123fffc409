import type { Answer, Given } from "../../data/api.ts";

/** What a token may do, as the API tells it. */
export type Policy = Answer<"GET /tokens/{id}">["policy"];

/** Rules without those on trial. */
export type Terms = NonNullable<Policy["warn"]>;

/** Methods that a policy may name, as choices. */
export const METHODS = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "QUERY"].map(
  (one) => [one, one] as const,
);

type Patch = NonNullable<Given<"PATCH /tokens/{id}">["body"]["policy"]>;

const NAMES: readonly (keyof Patch)[] = [
  "keys",
  "methods",
  "paths",
  "ip_allow",
  "countries",
  "not_before",
  "expires_at",
  "max_uses",
  "rate",
  "daily_quota",
  "max_concurrent",
  "ask",
  "spend",
  "allow_credential_endpoints",
  "warn",
];

/** A policy as it is sent: what somebody answered "always" to belongs to the token that asked, and is not said again. */
export function written({ ask, ...rules }: Policy): Policy {
  return ask === undefined ? rules : { ...rules, ask: { methods: ask.methods, paths: ask.paths } };
}

/** What has to be said to make one policy into another: what changed, and null for what is no more. */
export function patchBetween(before: Policy, after: Policy): Patch {
  const [was, is] = [written(before), written(after)];
  const changed = NAMES.filter((name) => JSON.stringify(was[name]) !== JSON.stringify(is[name]));
  return Object.fromEntries(changed.map((name) => [name, is[name] ?? null]));
}
