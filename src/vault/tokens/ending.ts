import { tagOf, type Cut } from "../calls/leashes.ts";
import { cut, type Parts } from "../parts.ts";
import type { Receipt } from "../receipt.ts";

/** What a receipt says of what was open when something ended. */
export type Ended = Pick<Receipt, "streams_cut" | "sessions_closed" | "in_flight">;

/** When something was last used: as it is counted, or later by rows that are not counted yet. Without an id: anything at all. */
export function lastUse({ audit }: Parts, counted: number | null, id?: string): number | null {
  const recent = audit.uses.byId();
  const times = id === undefined ? [...recent.values()] : [recent.get(id)];
  const latest = Math.max(counted ?? 0, ...times.map((one) => one?.last_used_at ?? 0));
  return latest === 0 ? null : latest;
}

/** Cuts all that tokens, devices or grants have open, and what was minted by them; in one pass, however many they are. */
export async function cutTokens(parts: Parts, ids: readonly string[], rule: string): Promise<Ended> {
  const closing = parts.mcp_sessions.endOf(ids, Date.now());
  const { streams_cut, unacknowledged } = await cut(
    parts,
    ids.flatMap((id) => [tagOf.token(id), tagOf.mintedBy(id)]),
    rule,
  );
  return {
    streams_cut,
    sessions_closed: await closing,
    in_flight: unacknowledged + parts.under_way.count("actor", ids),
  };
}

/** Cuts all that is open with a key. */
export async function cutKey(parts: Parts, id: string, rule: string): Promise<Ended> {
  const { streams_cut, unacknowledged } = await cut(parts, [tagOf.key(id)], rule);
  return { streams_cut, sessions_closed: 0, in_flight: unacknowledged + parts.under_way.count("key", [id]) };
}

/**
 * Judges again all that is open under these tags, for whoever narrows a policy, a grant, a choice of keys or an expiry: what
 * would be refused now is cut with the rule that refuses it, and what stands is told until when it does.
 */
export function judgeAgain({ leashes, under_way, gate, audit }: Parts, tags: readonly string[]): Promise<Cut> {
  const verdictOf = (seq: number) => {
    const decision = under_way.decision(seq);
    return decision && (gate.stands(decision)?.rule ?? gate.term(decision));
  };
  return leashes.judge(tags, verdictOf, ({ seq, status }, rule) =>
    audit.settle(seq, { outcome: "cut", rule, status }, Date.now()),
  );
}

/** Cuts all that is open in the vault. */
export async function cutAll(parts: Parts, rule: string): Promise<Ended> {
  const closing = parts.mcp_sessions.endAll(Date.now());
  const { streams_cut, unacknowledged } = await cut(parts, [tagOf.all], rule);
  return { streams_cut, sessions_closed: await closing, in_flight: unacknowledged + parts.under_way.all().length };
}
