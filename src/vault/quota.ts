import { Problem } from "../problem.ts";
import type { VaultRow } from "./account/vault_row.ts";
import { dayOf } from "./policy/limits.ts";

const DAY_MS = 86_400_000;
/** Beyond this the store is kept for what must always work: revoking, pausing, signing in. */
const OUTBOX_BYTES = 1024 * 1024 * 1024;
/** How large the store is, is looked up once in so many rows: they are small beside what it may hold. */
const LOOK_EVERY_ROWS = 64;

/**
 * Keeps one vault's uses from filling its store or the shared archive (SECURITY S14). Rows a day are told by the chain's own
 * numbers: all that is kept is where the day began.
 */
export class Quota {
  readonly #sql: SqlStorage;
  readonly #rows_a_day: number;
  #day: number;
  #began_at_seq: number;
  #looked_at_seq = -LOOK_EVERY_ROWS;

  constructor(sql: SqlStorage, rows_a_day: number, { quota_day, quota_seq }: VaultRow) {
    this.#sql = sql;
    this.#rows_a_day = rows_a_day;
    this.#day = quota_day;
    this.#began_at_seq = quota_seq;
  }

  /** Refuses a use for which there is no room. `head_seq` is that of the newest row. */
  assertRoom(head_seq: number, now: number): void {
    const day = dayOf(now);
    if (day !== this.#day) this.#begin(day, head_seq);
    if (head_seq - this.#looked_at_seq < LOOK_EVERY_ROWS && !this.#isSpent(head_seq, day)) return;
    const refusal = this.refusal(head_seq, now);
    if (refusal !== undefined) throw refusal;
    this.#looked_at_seq = head_seq;
  }

  /**
   * Refuses a change of what is kept, of which each leaves a row too. There is a tenth more room for changes than for uses, so that
   * an app which has used up the day does not keep its owner from mending that; what only stops something always has room.
   */
  assertRoomToChange(head_seq: number, now: number): void {
    const day = dayOf(now);
    if (day !== this.#day) this.#begin(day, head_seq);
    if (this.#isSpent(head_seq, day, this.#rows_a_day * 1.1)) throw spent(now);
  }

  /** Why a use would be refused now; undefined where there is room. Writes nothing. */
  refusal(head_seq: number, now: number): Problem | undefined {
    if (this.#sql.databaseSize > OUTBOX_BYTES) {
      const detail = "This vault's audit rows wait for their archive; no use is let through without a record.";
      return new Problem("unavailable", detail, { rule: "outbox", retry_after_s: 60 });
    }
    return this.#isSpent(head_seq, dayOf(now)) ? spent(now) : undefined;
  }

  #isSpent(head_seq: number, day: number, rows_a_day = this.#rows_a_day): boolean {
    return day === this.#day && head_seq - this.#began_at_seq >= rows_a_day;
  }

  #begin(day: number, head_seq: number): void {
    this.#sql.exec("UPDATE vault SET quota_day = ?, quota_seq = ?", day, head_seq);
    this.#day = day;
    this.#began_at_seq = head_seq;
  }
}

function spent(now: number): Problem {
  const retry_after_s = Math.ceil(((dayOf(now) + 1) * DAY_MS - now) / 1_000);
  const detail = "This vault has recorded as much today as it may (audit_quota).";
  return new Problem("rate_limited", detail, { rule: "audit_quota", retry_after_s });
}
