import { Problem } from "../../problem.ts";
import { lifeEnd } from "../tokens/caller.ts";
import type { Policy } from "./policy.ts";
import type { Token } from "../tokens/token.ts";

/** What a new token may do, and until when. */
type Terms = { policy: Policy; expires_at: number | null };

/**
 * What a device mints is never more than the device: its keys are among the device's, it calls no more often, it mints and shows no
 * credentials either, and it ends with it at the latest (SECURITY S3).
 */
export function withinDevice(by: Token, { policy, expires_at }: Terms): Terms {
  if (by.kind !== "dev") return { policy, expires_at };
  if (policy.allow_credential_endpoints === true) {
    const errors = [{ field: "policy.allow_credential_endpoints", rule: "must be allowed by a person in the browser" }];
    const detail = "Only a person in the browser makes a token that may mint or show credentials.";
    throw new Problem("insufficient_scope", detail, { rule: "parent", errors });
  }
  const reach = by.policy.keys;
  const keys = policy.keys ?? reach;
  const beyond = keys?.findIndex((id) => reach?.includes(id) === false) ?? -1;
  if (keys?.length === 0 || beyond >= 0) {
    const detail = "A device mints tokens only for keys that it may use itself; they were chosen when it was approved.";
    const errors = [{ field: `policy.keys.${Math.max(beyond, 0)}`, rule: "must be a key that this device may use" }];
    throw new Problem("insufficient_scope", detail, { rule: "parent", errors });
  }
  const end = lifeEnd("dev", by.created_at);
  return {
    policy: { ...policy, keys, rate: slower(policy.rate, by.policy.rate) },
    expires_at: Math.min(expires_at ?? end, end),
  };
}

/** The slower of two rates, in the second and in the minute. */
function slower(one: Policy["rate"], other: Policy["rate"]): Policy["rate"] {
  if (one === undefined || other === undefined) return one ?? other;
  return { per_second: least(one.per_second, other.per_second), per_minute: least(one.per_minute, other.per_minute) };
}

function least(one = Infinity, other = Infinity): number | undefined {
  return one === Infinity && other === Infinity ? undefined : Math.min(one, other);
}
