import { Problem } from "../../problem.ts";
import type { Keys } from "../keys/keys.ts";
import { networkText, readNetwork } from "./network.ts";
import type { Policy, Terms } from "./policy.ts";

/** Policy as a person writes it: `keys` are names, ids or `tag:x`; `expires_at`, in epoch milliseconds, is the token's. */
export type PolicyInput = Policy & { expires_at?: number | undefined };

/**
 * A policy as it is stored: keys by id (SECURITY S22), ranges in their one spelling. With `among`, keys outside it are as
 * absent as keys that are not there.
 */
export function resolvePolicy(
  keys: Keys,
  { warn, expires_at: _its_own, ...policy }: PolicyInput,
  among?: ReadonlySet<string>,
): Policy {
  return {
    ...resolveTerms(keys, policy, "policy", among),
    warn: warn && { ...resolveTerms(keys, warn, "policy.warn", among), expires_at: warn.expires_at },
  };
}

function resolveTerms(keys: Keys, terms: Terms, at: string, among: ReadonlySet<string> | undefined): Terms {
  const ids = terms.keys && resolveKeys(keys, terms.keys, `${at}.keys`, among);
  const ranges = terms.ip_allow?.map((range, index) => rangeOf(range, `${at}.ip_allow.${index}`));
  return { ...terms, keys: ids, ip_allow: ranges && [...new Set(ranges)] };
}

/** Names, ids and tags of keys as ids; a choice of keys is resolved when it is stored (SECURITY S22). */
export function resolveKeys(keys: Keys, refs: readonly string[], field: string, among?: ReadonlySet<string>): string[] {
  const ids = refs.flatMap((ref, index) => {
    const named = ref.startsWith("tag:") ? keys.tagged(ref.slice(4)) : [keys.find(ref)?.id];
    const found = named.filter((id) => id !== undefined && among?.has(id) !== false) as string[];
    if (found.length > 0) return found;
    throw new Problem("invalid_request", `There is no key ${ref}.`, {
      errors: [{ field: `${field}.${index}`, rule: "must be the id, the name or the tag of a key that is there" }],
    });
  });
  return [...new Set(ids)];
}

function rangeOf(range: string, field: string): string {
  const network = readNetwork(range);
  if (network !== undefined) return networkText(network);
  throw new Problem("invalid_request", `${field} is not a range of addresses.`, {
    errors: [{ field, rule: "must be an IPv4 or IPv6 address, or a range in CIDR notation" }],
  });
}
