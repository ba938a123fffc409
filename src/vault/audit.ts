import { createHash } from "node:crypto";
import { ulid } from "ulid";

/** Who did it. */
export type Actor = { kind: "app" | "session" | "device" | "oauth" | "vault"; id: string; name: string };

/** Where a call came from, as the router saw it. */
export type Origin = { ip: string; country: string; user_agent: string };

/** What is recorded before anything happens. Never bodies, query strings, header values or secrets (DESIGN D2). */
export type Event = {
  actor: Actor;
  action: string;
  /** Absent while the outcome is still to come. */
  outcome?: "ok" | "refused" | undefined;
  rule?: string | undefined;
  key?: string | undefined;
  key_name?: string | undefined;
  provider?: string | undefined;
  method?: string | undefined;
  host?: string | undefined;
  path?: string | undefined;
  subject?: string | undefined;
  /** For a counted row: how many refusals of this kind it stands for. */
  count?: number | undefined;
} & Origin;

/** How a pending row ended. */
export type Outcome = {
  outcome: "ok" | "failed" | "cut" | "canceled" | "interrupted" | "refused";
  rule?: string | undefined;
  status?: number | undefined;
  latency_ms?: number | undefined;
  bytes_in?: number | undefined;
  bytes_out?: number | undefined;
};

/** A row as it is stored, in the outbox and in D1: the texts are hashed to the letter. */
export type AuditRow = {
  seq: number;
  decision: string;
  hash: string;
  outcome: string | null;
  outcome_hash: string | null;
};

/** An end of the chains. Decisions and outcomes are two gapless chains; an outcome names the decision that it ends. */
export type ChainHeads = { head_seq: number; head_hash: string; outcome_seq: number; outcome_hash: string };

/** Where both chains of a new vault begin. */
export const GENESIS: ChainHeads = { head_seq: 0, head_hash: "", outcome_seq: 0, outcome_hash: "" };

/** What a decision's text holds. */
export type Decision = { seq: number; prev: string; id: string; at: string } & Event;
/** What an outcome's text holds; `of` is the hash of its decision. */
export type Settled = { seq: number; prev: string; of: string; at: string } & Outcome;

/** The hash of a chained text. Its `prev` is inside it, so each hash covers all that came before (SECURITY S17). */
export function chainHash(text: string): string {
  return createHash("sha256").update(text).digest("base64url");
}

/**
 * Table `audit`: the outbox. Every row gets a gapless seq and is chained over its decision at the insert, in the same
 * synchronous step as the decision itself; the outcome is an entry of the second chain (SECURITY S16, S17).
 */
export class Audit {
  readonly #sql: SqlStorage;
  readonly #onChange: (seq: number, now: number) => void;
  #heads: ChainHeads = GENESIS;

  /** `onChange` hears of every row that was added or ended, so that it gets shipped. */
  constructor(sql: SqlStorage, onChange: (seq: number, now: number) => void) {
    this.#sql = sql;
    this.#onChange = onChange;
  }

  /** Finds the heads: the last row in the outbox, or what was noted when the outbox was last emptied. */
  load(): void {
    const noted = this.#sql.exec<ChainHeads>("SELECT head_seq, head_hash, outcome_seq, outcome_hash FROM vault").one();
    this.#heads = noted;
    const [last] = this.#sql
      .exec<{ seq: number; hash: string }>("SELECT seq, hash FROM audit ORDER BY seq DESC LIMIT 1")
      .toArray();
    // An old pending row may be all that is left here: what was noted is then the later end.
    if (last !== undefined && last.seq > noted.head_seq)
      this.#heads = { ...this.#heads, head_seq: last.seq, head_hash: last.hash };
    const [settled] = this.#sql
      .exec<{ seq: number; hash: string }>(
        `SELECT json_extract(outcome, '$.seq') AS seq, outcome_hash AS hash FROM audit WHERE outcome IS NOT NULL ORDER BY 1 DESC LIMIT 1`,
      )
      .toArray();
    if (settled !== undefined && settled.seq > noted.outcome_seq) {
      this.#heads = { ...this.#heads, outcome_seq: settled.seq, outcome_hash: settled.hash };
    }
  }

  get heads(): ChainHeads {
    return this.#heads;
  }

  /** Appends a row. With a `lease` the row stays pending until it is settled. */
  append(event: Event, now: number, lease?: string): { seq: number; id: string } {
    const seq = this.#heads.head_seq + 1;
    const id = `aud_${ulid(now)}`;
    const entry: Decision = { seq, prev: this.#heads.head_hash, id, at: new Date(now).toISOString(), ...event };
    const decision = JSON.stringify(entry);
    const hash = chainHash(decision);
    const pending = event.outcome === undefined ? 1 : 0;
    this.#sql.exec(
      "INSERT INTO audit (seq, decision, hash, pending, lease) VALUES (?, ?, ?, ?, ?)",
      seq,
      decision,
      hash,
      pending,
      lease ?? null,
    );
    this.#heads = { ...this.#heads, head_seq: seq, head_hash: hash };
    this.#onChange(seq, now);
    return { seq, id };
  }

  /** Ends a pending row. False where it was ended before: the first outcome stands. */
  settle(seq: number, outcome: Outcome, now: number): boolean {
    const [row] = this.#sql
      .exec<{ hash: string }>("SELECT hash FROM audit WHERE seq = ? AND pending = 1", seq)
      .toArray();
    if (row === undefined) return false;
    const entry: Settled = {
      seq: this.#heads.outcome_seq + 1,
      prev: this.#heads.outcome_hash,
      of: row.hash,
      at: new Date(now).toISOString(),
      ...outcome,
    };
    const text = JSON.stringify(entry);
    const hash = chainHash(text);
    this.#sql.exec(
      "UPDATE audit SET pending = 0, lease = NULL, outcome = ?, outcome_hash = ? WHERE seq = ?",
      text,
      hash,
      seq,
    );
    this.#heads = { ...this.#heads, outcome_seq: entry.seq, outcome_hash: hash };
    this.#onChange(seq, now);
    return true;
  }

  /** The decision of a pending row whose current lease has this hash; undefined otherwise. */
  leased(seq: number, lease: string): Decision | undefined {
    const [row] = this.#sql
      .exec<{ decision: string }>("SELECT decision FROM audit WHERE seq = ? AND pending = 1 AND lease = ?", seq, lease)
      .toArray();
    return row === undefined ? undefined : (JSON.parse(row.decision) as Decision);
  }

  /** Replaces a pending row's lease: each opens one leash. */
  renewLease(seq: number, lease: string): void {
    this.#sql.exec("UPDATE audit SET lease = ? WHERE seq = ? AND pending = 1", lease, seq);
  }

  /** Pending rows, oldest first. */
  pending(): { seq: number; decision: Decision }[] {
    const rows = this.#sql.exec<{ seq: number; decision: string }>(
      "SELECT seq, decision FROM audit WHERE pending = 1 ORDER BY seq",
    );
    return [...rows].map(({ seq, decision }) => ({ seq, decision: JSON.parse(decision) as Decision }));
  }

  /** How many calls this actor or key has under way. */
  inFlight(of: "actor" | "key", id: string): number {
    const path = of === "actor" ? "$.actor.id" : "$.key";
    return this.#sql
      .exec<{ n: number }>(
        `SELECT count(*) AS n FROM audit WHERE pending = 1 AND json_extract(decision, '${path}') = ?`,
        id,
      )
      .one().n;
  }

  /** Whole rows that wait for D1, oldest first. */
  whole(limit: number): AuditRow[] {
    return this.#rows("pending = 0", "ASC", limit);
  }

  /** What is still here, newest first, below `before`. */
  latest(before: number, limit: number): AuditRow[] {
    return this.#rows(`seq < ${before}`, "DESC", limit);
  }

  /** Forgets rows that D1 has confirmed, and notes the heads that would go with them. Call inside a transaction. */
  forget(seqs: readonly number[]): void {
    const { head_seq, head_hash, outcome_seq, outcome_hash } = this.#heads;
    this.#sql.exec("DELETE FROM audit WHERE seq IN (SELECT value FROM json_each(?))", JSON.stringify(seqs));
    this.#sql.exec(
      "UPDATE vault SET head_seq = ?, head_hash = ?, outcome_seq = ?, outcome_hash = ?",
      head_seq,
      head_hash,
      outcome_seq,
      outcome_hash,
    );
  }

  #rows(where: string, order: "ASC" | "DESC", limit: number): AuditRow[] {
    return this.#sql
      .exec<AuditRow>(
        `SELECT seq, decision, hash, outcome, outcome_hash FROM audit WHERE ${where} ORDER BY seq ${order} LIMIT ?`,
        limit,
      )
      .toArray();
  }
}
