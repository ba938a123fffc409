/**
 * Who gets what when a refresh token is presented (SECURITY S7). Pure: what a family remembers comes in, one verdict goes out.
 * An honest client whose answer was lost, that is slow, or that shares its store with others is given what it should have
 * had; whoever else comes with an old token has it from somewhere, and the family ends.
 */

/** Tokens of a generation that was replaced this lately are in somebody's hands by right: parallel processes, slow clients. */
export const PARALLEL_MS = 60_000;
/** How often a generation is given again in one minute. A limit on load, never a reason to end a family. */
const REPEATS_A_MINUTE = 100;
/** So many generations running given again for sharing, and the owner is told. */
export const SHARED_RUN = 3;

/** A refresh token whose derivation was verified, and what its family knows of it. Times are epoch milliseconds. */
export type Presented = {
  generation: number;
  head: number;
  /** When the presented generation was replaced; null where that is too long ago to be remembered. */
  superseded_at: number | null;
  /** It is the client's own, as far as the protocol tells clients apart. */
  right_client: boolean;
  /** Something issued at the head was used: its refresh token would then have made a new head, so this is its access token. */
  head_used: boolean;
  /** The head went to this network and agent, or the family was refreshed from there in the last 24 hours. */
  known_place: boolean;
  /** How often the head was given again in this minute of its life. */
  repeats_in_minute: number;
  now: number;
};

/** What to do with it. `repeat` gives the head again, and says why. */
export type Verdict =
  | { do: "rotate" }
  | { do: "repeat"; why: "parallel" | "lost_answer" | "shared" }
  | { do: "wait" }
  | { do: "end_family"; why: "reuse" | "other_client" };

/** The five cases of SECURITY S7, in its order. */
export function judgeRefresh(presented: Presented): Verdict {
  const { generation, head, superseded_at, now } = presented;
  if (!presented.right_client) return { do: "end_family", why: "other_client" };
  if (generation === head) return { do: "rotate" };
  if (superseded_at !== null && now - superseded_at <= PARALLEL_MS) return repeat(presented, "parallel");
  if (generation === head - 1 && !presented.head_used) return repeat(presented, "lost_answer");
  if (generation === head - 1 && presented.known_place) return repeat(presented, "shared");
  return { do: "end_family", why: "reuse" };
}

function repeat({ repeats_in_minute }: Presented, why: "parallel" | "lost_answer" | "shared"): Verdict {
  return repeats_in_minute < REPEATS_A_MINUTE ? { do: "repeat", why } : { do: "wait" };
}

/** How an owner calls a rhythm. An access token lives one cadence; two without a refresh end the family. */
export const CADENCES_MS = {
  hourly: 3_600_000,
  daily: 86_400_000,
  weekly: 7 * 86_400_000,
  monthly: 30 * 86_400_000,
} as const;

export type Cadence = keyof typeof CADENCES_MS;
