import type { Jobs } from "../jobs.ts";

const KEPT_MS = 7 * 86_400_000;

/**
 * Table `regret`: what clients have revoked, whose models may have been talked into it. What ended stays ended, as surely as by
 * anybody else; for a week its person can give it back.
 */
export class Regrets {
  readonly #sql: SqlStorage;
  readonly #jobs: Jobs;

  constructor(sql: SqlStorage, jobs: Jobs) {
    this.#sql = sql;
    this.#jobs = jobs;
  }

  /** Keeps what a client has ended: a token, device or grant, and all that died of it. */
  keep(id: string, ended: readonly string[], now: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO regret (id, ended, at) VALUES (?, ?, ?)",
      id,
      JSON.stringify([...new Set([id, ...ended])]),
      now,
    );
    this.#jobs.plan("empty_trash", now + KEPT_MS);
  }

  /** It is to stay ended, whoever ended it first: somebody else has ended it too, for a reason of their own. */
  settle(id: string): void {
    this.#sql.exec("DELETE FROM regret WHERE id = ?", id);
    this.#sql.exec(
      `UPDATE regret SET ended = (SELECT json_group_array(value) FROM json_each(ended) WHERE value <> ?1)
       WHERE EXISTS (SELECT 1 FROM json_each(ended) WHERE value = ?1)`,
      id,
    );
  }

  /** All that is given back with it, and no more kept; undefined where there is nothing to give back, or not any more. */
  take(id: string, now: number): string[] | undefined {
    const [kept] = this.#sql
      .exec<{ ended: string }>("DELETE FROM regret WHERE id = ? AND at > ? RETURNING ended", id, now - KEPT_MS)
      .toArray();
    return kept && (JSON.parse(kept.ended) as string[]);
  }

  /** Forgets what nobody wanted back. Answers when to look again. */
  expire(now: number): number | undefined {
    this.#sql.exec("DELETE FROM regret WHERE at <= ?", now - KEPT_MS);
    const { next } = this.#sql.exec<{ next: number | null }>("SELECT min(at) AS next FROM regret").one();
    return next === null ? undefined : next + KEPT_MS;
  }
}
