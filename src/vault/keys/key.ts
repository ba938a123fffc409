import type { Placement } from "../../catalog/provider.ts";
import type { ConnectionState } from "../connections/connection_rows.ts";

/**
 * Where a key's secret may go and how it is shown there. It belongs to the key *version* and to the seal's AAD: changing it
 * needs the secret again (SECURITY S2). `base_path` is empty or begins with a slash and does not end with one.
 */
export type Destination = {
  provider: string;
  origin: string;
  base_path: string;
  placement: Placement;
  headers: Record<string, string>;
};

/** A stored key without its secret. Times are epoch milliseconds. */
export type ApiKey = {
  id: string;
  name: string;
  version: number;
  overlap_version: number | null;
  overlap_until: number | null;
  destination: Destination;
  /** The destination's text as it was sealed in. */
  sealed_destination: string;
  tags: string[];
  note: string | null;
  scrub: boolean;
  revealable: boolean;
  created_at: number;
  updated_at: number;
  expires_at: number | null;
  paused_at: number | null;
  uses: number;
  last_used_at: number | null;
  /** How a key that renews itself stands; null for all others, and for one that nobody has connected. */
  connection: ConnectionState | null;
};

/** What a person says about a key, besides its secret. */
export type NewKey = Pick<ApiKey, "name" | "tags" | "note" | "scrub" | "revealable" | "expires_at"> & {
  destination: Destination;
};

/** What may be changed about a key without its secret; absent stays, null clears. */
export type KeyChanges = Partial<Omit<NewKey, "destination">>;
