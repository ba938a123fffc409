/** What every revocation answers (CONTRACT §5). Times are epoch milliseconds. */
export type Receipt = {
  id: string;
  revoked_at: number;
  last_used_at: number | null;
  /** Streams that their routers have said are closed on both sides. */
  streams_cut: number;
  sessions_closed: number;
  /** Calls that were let through before and have not ended yet, or did not say so within a second. */
  in_flight: number;
};
