import type { AuditRow, Decision, Outcome, Settled } from "./row.ts";

/** A row as people and programs read it: what was decided and, once it has ended, how. */
export type ActivityRow = Omit<Decision, "outcome"> & {
  outcome: Outcome["outcome"] | "pending";
  hash: string;
} & Omit<Outcome, "outcome">;

/** Reads a stored row. */
export function activityRow({ decision, hash, outcome }: AuditRow): ActivityRow {
  const event = JSON.parse(decision) as Decision;
  const ended = outcome === null ? undefined : (JSON.parse(outcome) as Settled);
  const {
    outcome: how = event.outcome ?? "pending",
    rule = event.rule,
    status = event.status,
    latency_ms = event.latency_ms,
    bytes_in,
    bytes_out,
    usd,
    usd_estimated,
  } = ended ?? {};
  return { ...event, outcome: how, rule, status, latency_ms, bytes_in, bytes_out, usd, usd_estimated, hash };
}
