import { Problem } from "../../problem.ts";

/** How many rows of the archive one page looks through, one read after the other: what is looked for is near the newest, as a rule. */
export const LOOKS: readonly number[] = [2_000, 48_000];

const ROWS_AT_ONCE = 2_000_000;
const ROWS_A_SECOND = ROWS_AT_ONCE / 60;

/**
 * How much of the archive may be read for one vault: all vaults of a cell share a database, and neither an owner nor whoever has found their
 * token is to have it for themselves (SECURITY S27). It is asked before anything is read.
 */
export class Allowance {
  #rows = ROWS_AT_ONCE;
  #counted_at = 0;

  take(rows: number, now: number): void {
    const grown = Math.max(0, now - this.#counted_at) * (ROWS_A_SECOND / 1_000);
    this.#rows = Math.min(ROWS_AT_ONCE, this.#rows + grown);
    this.#counted_at = now;
    if (rows > this.#rows) {
      const detail = "So much of this vault's activity was read in the last minute that there is a pause now.";
      const retry_after_s = Math.ceil((rows - this.#rows) / ROWS_A_SECOND);
      throw new Problem("rate_limited", detail, { rule: "activity_reads", retry_after_s });
    }
    this.#rows -= rows;
  }
}
