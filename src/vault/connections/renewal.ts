import type { OAuthPlacement } from "../../catalog/provider.ts";

/** What is known of an access token's time. Epoch milliseconds; `expires_at` null where the provider did not say. */
export type Life = { obtained_at: number; expires_at: number | null };
/** When a provider was last asked in vain, and from when on it may be asked again. */
export type Pause = { asked_at: number; retry_at: number };

/** Where a provider does not say how long a token lasts, it is taken for good, unless something can renew it. */
const UNSAID_MS = 60 * 60_000;
const SHORTEST_MS = 30_000;
const LONGEST_MS = 90 * 86_400_000;
const SKEW_LIMIT_MS = 5 * 60_000;
/** A refused access token is renewed at once, but one that was obtained just now is not: the upstream refuses something else. */
const JUST_NOW_MS = 30_000;
/** The machine's clock may be set back, or the vault wake on another machine: what lies further ahead than this was never written now. */
const AHEAD_MS = 30_000;

const BACKOFF_MS = 1_000;
const BACKOFF_LIMIT_MS = 5 * 60_000;
/** A renewal that nobody waits for is given up after so many failures; the next call tries again. */
const PATIENT_FAILURES = 10;

/** When a token ends that was asked for then: what the provider says, within reason. Its answer may have been long on the way. */
export function expiryOf(expires_in_s: number | null, renewable: boolean, asked_at: number): number | null {
  if (expires_in_s === null) return renewable ? asked_at + UNSAID_MS : null;
  return asked_at + Math.min(LONGEST_MS, Math.max(SHORTEST_MS, expires_in_s * 1_000));
}

/** From when on a token is renewed before it is used: early enough for the call that takes it along, and for clocks that differ. */
export function renewAt({ obtained_at, expires_at }: Life, { renew_before_s }: OAuthPlacement): number | null {
  if (expires_at === null) return null;
  const life = expires_at - obtained_at;
  const skew = renew_before_s === undefined ? Math.min(SKEW_LIMIT_MS, life / 10) : renew_before_s * 1_000;
  return Math.max(obtained_at + life / 2, expires_at - skew);
}

/** Must a token be had anew before this use? `stale`: the upstream has just refused the very token that we hold. */
export function isDue(life: Life, placement: OAuthPlacement, stale: boolean, now: number): boolean {
  // By a clock that was set back since, nobody knows how old it is.
  if (life.obtained_at - now > AHEAD_MS) return true;
  if (stale) return now - life.obtained_at >= JUST_NOW_MS;
  const at = renewAt(life, placement);
  return at !== null && at <= now;
}

/** How long a failing renewal is left alone: doubling, at most five minutes, or as long as the provider asks. */
export function backoffMs(failures: number, retry_after_s: number | undefined): number {
  const doubling = Math.min(BACKOFF_LIMIT_MS, BACKOFF_MS * 2 ** (failures - 1));
  return retry_after_s === undefined ? doubling : Math.max(doubling, retry_after_s * 1_000);
}

/** How long a provider that was asked in vain is still left alone; not by a clock that was set back since. */
export function waitOf({ asked_at, retry_at }: Pause, now: number): number {
  return asked_at - now > AHEAD_MS ? 0 : Math.max(0, retry_at - now);
}

/** Is a renewal still worth trying when nobody waits for it? */
export function worthTrying(failures: number): boolean {
  return failures < PATIENT_FAILURES;
}
