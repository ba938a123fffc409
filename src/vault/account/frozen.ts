import type { TokenKind } from "../../crypto/token.ts";

/** A freeze that lies over a whole vault: since when (epoch ms), and the id of whoever laid it. */
export type Freeze = { at: number; by: string };

/**
 * What a caller is about to do, as far as a frozen vault cares. `change` is everything that uses, makes, widens or shows a
 * secret, and what is meant where nothing is said; `stop` only takes rights away, and `narrow` some of them; `always` stops all, for
 * anyone; `leave` ends the caller itself, which a pause does not refuse either.
 */
export type Effect = "change" | "narrow" | "stop" | "read" | "always" | "leave";

/** What a freeze asks of a token. */
type Frozen = { id: string; kind: TokenKind; signed_in_at: number | null; frozen: Freeze | null };

/**
 * Does the freeze stand in the way? Nobody changes anything. Whoever signed in after it may read and stop; who froze may only
 * read, since that could be a thief's session; everyone else nothing at all (SECURITY S15).
 */
export function isFrozenFor({ frozen, ...token }: Frozen, effect: Effect): boolean {
  if (frozen === null || effect === "always" || effect === "leave") return false;
  if (effect === "change") return true;
  return !isFresh(token, frozen) && !(effect === "read" && token.id === frozen.by);
}

/** A browser session of a sign-in after the freeze. */
export function isFresh({ kind, signed_in_at }: Omit<Frozen, "frozen">, frozen: Freeze): boolean {
  return kind === "ses" && (signed_in_at ?? 0) > frozen.at;
}
