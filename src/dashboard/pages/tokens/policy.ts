import type { Answer, Given } from "../../data/api.ts";

/** What a token may do, as the API tells it. */
export type Policy = Answer<"GET /tokens/{id}">["policy"];

/** Rules without those on trial. */
export type Terms = NonNullable<Policy["warn"]>;

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
  "spend",
  "allow_credential_endpoints",
  "warn",
];

/** What has to be said to make one policy into another: what changed, and null for what is no more. */
export function patchBetween(before: Policy, after: Policy): Patch {
  const changed = NAMES.filter((name) => JSON.stringify(before[name]) !== JSON.stringify(after[name]));
  return Object.fromEntries(changed.map((name) => [name, after[name] ?? null]));
}
