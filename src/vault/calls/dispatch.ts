import type { Origin, Outcome } from "../audit/row.ts";
import type { Destination } from "../keys/key.ts";
import type { Secret } from "../keys/sealer.ts";
import type { Term } from "./telling.ts";
import type { Estimate, Metered } from "./spending.ts";

/** What the router asks before it carries a call. `key` is null in direct mode; `path` is the upstream path as it came. */
export type Ask = {
  hash: string;
  key: string | null;
  method: string;
  path: string;
  overridden: boolean;
  /** A digest of query and body: the router holds the call until a person has answered. */
  content?: string | undefined;
  /** The upstream has refused the key's new secret: ask for the one before, while its rotation overlaps. A use of its own. */
  overlap?: boolean | undefined;
  /** The upstream has refused this access token (by its serial): ask for a newer one. A use of its own. */
  stale?: number | undefined;
  /** It asks for a WebSocket. */
  upgrade?: boolean | undefined;
  /** What it may come to; asked for by `estimate_needed` where a budget pays. */
  estimate?: Estimate | undefined;
} & Origin;

/** The vault's yes: where to send the call, with what, until when, and the lease that opens its leash. */
export type Dispatch = {
  request_id: string;
  seq: number;
  lease: string;
  destination: Destination;
  secret: Secret;
  scrub: boolean;
  /** What to ask beside, should the upstream refuse this secret: for the version before, or for a newer access token than this. */
  again?: Pick<Ask, "overlap" | "stale"> | undefined;
  /** A budget pays: the answer is to be read for what it took, of this model unless it says so itself. */
  metered?: { model: string } | undefined;
} & Term;

/** How a carried call ended, told off the hot path, and what it took where a budget pays. */
export type Settlement = { seq: number; metered?: Metered | undefined } & Outcome;
