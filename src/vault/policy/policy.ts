import type { Budget } from "../calls/budget.ts";
import type { Rate } from "./limits.ts";
import type { Scope } from "./scopes.ts";

/** Which calls need a person's yes: all where nothing is said. `allowed` are those to which somebody said `always`. */
export type AskRule = {
  methods?: readonly string[] | undefined;
  paths?: readonly string[] | undefined;
  allowed?: readonly AllowedCall[] | undefined;
};
/** One address that may be called without asking: exactly that path of that host. */
export type AllowedCall = { key: string; host: string; method: string; path: string };

/** What a rule of a policy may say. Absent means any. Times are epoch milliseconds. */
export type Terms = {
  /** Ids only: names were resolved when the policy was stored (SECURITY S22). */
  keys?: readonly string[] | undefined;
  methods?: readonly string[] | undefined;
  /** Globs on the upstream path. */
  paths?: readonly string[] | undefined;
  /** CIDR, in its one spelling. */
  ip_allow?: readonly string[] | undefined;
  /** ISO 3166 codes of two letters. */
  countries?: readonly string[] | undefined;
  not_before?: number | undefined;
  /** How often in all, in one UTC day, in a second or minute, and at once. */
  max_uses?: number | undefined;
  daily_quota?: number | undefined;
  rate?: Rate | undefined;
  max_concurrent?: number | undefined;
  /** What calls to models may cost, where answers say what they took. */
  spend?: Budget | undefined;
  /** Calls that need a person's yes first. */
  ask?: AskRule | undefined;
  /** Calls that mint or show credentials are refused unless this says otherwise (SECURITY S20). */
  allow_credential_endpoints?: boolean | undefined;
  /** What an OAuth access token is for; only such tokens have any. */
  scopes?: readonly Scope[] | undefined;
};

/**
 * What a token may do (CONTRACT §3). `warn` holds rules on trial: what they would refuse is recorded, and let through.
 * When a token ends stands in its row, not here.
 */
export type Policy = Terms & { warn?: (Terms & { expires_at?: number | undefined }) | undefined };
