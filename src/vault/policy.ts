import type { TokenKind } from "../crypto/token.ts";
import type { ProblemCode } from "../problem.ts";
import type { ConnectionState } from "./connected_keys.ts";
import { isFrozenFor, type Effect, type Freeze } from "./frozen.ts";
import type { Destination } from "./keys.ts";
import { covers, type UpstreamPath } from "./path.ts";
import { grantsScope, type Scope } from "./scopes.ts";

/** What an app token may do (CONTRACT §3). Absent means any. `keys` holds ids only: names were resolved when it was stored. */
export type Policy = {
  keys?: readonly string[] | undefined;
  methods?: readonly string[] | undefined;
  paths?: readonly string[] | undefined;
  /** Calls that mint or show credentials are refused unless this says otherwise (SECURITY S20). */
  allow_credential_endpoints?: boolean | undefined;
  /** What an OAuth access token is for; only such tokens have any. */
  scopes?: readonly Scope[] | undefined;
};

/** What a decision is made on. Times are epoch milliseconds. */
export type Standing = {
  token: {
    id: string;
    kind: TokenKind;
    signed_in_at: number | null;
    expires_at: number | null;
    paused_at: number | null;
    revoked_at: number | null;
    superseded?: boolean | undefined;
    /** The freeze that lies over its vault. */
    frozen: Freeze | null;
    policy: Policy;
  };
  key:
    | {
        id: string;
        name: string;
        expires_at: number | null;
        paused_at: number | null;
        destination: Pick<Destination, "placement">;
        connection: ConnectionState | null;
      }
    | undefined;
  now: number;
};

/**
 * The call that is asked about. `overridden` = it carries a header or parameter by which servers take another method;
 * `credentials` = it would mint or show credentials.
 */
export type Call = { method: string; path: UpstreamPath; overridden: boolean; credentials: boolean };

/** Why a call is refused; `rule` is named to the caller and in the audit row. */
export type Denial = { rule: string; code: ProblemCode; detail: string };

/** May this token be used at all, and for this? Every surface asks here, so a freeze holds on each of them (SECURITY S15). */
export function judgeToken(
  { token, now }: Pick<Standing, "token" | "now">,
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

/** May this token reach this key now, whatever the call? A key outside the policy is as absent as one that is not there. */
export function judgeKey({ token, key, now }: Standing): Denial | undefined {
  const denied = judgeToken({ token, now });
  if (denied !== undefined) return denied;
  if (token.policy.scopes !== undefined && !grantsScope(token.policy.scopes, "vault:proxy"))
    return deny("scopes", "insufficient_scope", "This token lacks the scope vault:proxy, which calls need.");
  if (key === undefined || (token.policy.keys !== undefined && !token.policy.keys.includes(key.id))) {
    return deny("keys", "not_found", "This token reaches no key of that name.");
  }
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

/** The whole decision. Pure: the live engine, a leash that is asked again and `explain` are this same code. */
export function judge(standing: Standing, call: Call): Denial | undefined {
  const { methods, paths, allow_credential_endpoints = false } = standing.token.policy;
  const denied = judgeKey(standing);
  if (denied !== undefined) return denied;
  if (methods !== undefined) {
    if (!methods.includes(call.method))
      return deny("methods", "policy_denied", `This token's policy (methods) does not allow ${call.method}.`);
    if (call.overridden)
      return deny("methods", "policy_denied", "This token's policy (methods) allows no method override.");
  }
  if (paths !== undefined && !paths.some((glob) => covers(glob, call.path))) {
    return deny("paths", "policy_denied", "This token's policy (paths) does not allow that path.");
  }
  if (call.credentials && !allow_credential_endpoints) {
    const detail =
      "This call would mint or show credentials, which this token's policy (allow_credential_endpoints) does not allow.";
    return deny("allow_credential_endpoints", "policy_denied", detail);
  }
  return undefined;
}

function deny(rule: string, code: ProblemCode, detail: string): Denial {
  return { rule, code, detail };
}
