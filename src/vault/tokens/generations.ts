import { spelledSecret, type Descendant } from "../../crypto/lineage.ts";
import { hashOf } from "../../crypto/token.ts";
import type { Origin } from "../audit/row.ts";
import { PARALLEL_MS, SHARED_RUN } from "./rotation.ts";

/** A generation as its owner sees it. Times are epoch milliseconds. */
export type Generation = {
  n: number;
  issued_at: number;
  superseded_at: number | null;
  ip: string;
  country: string;
  user_agent: string;
  /** How often it was given again, and how often of these because several share it. */
  repeats: number;
  shared: number;
};

type StoredGeneration = Generation & { hash: string; minute: number; repeats_in_minute: number };

const MINUTE_MS = 60_000;
/** So many of a family's generations are remembered; older ones only now and then, as proof of those between. */
export const KEPT_GENERATIONS = 100;
const PROOF_EVERY = 256;

/** Table `generation`: what each refresh of a family gave, by the hash of its refresh token. */
export class Generations {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  find(family: number, n: number): StoredGeneration | undefined {
    return this.#sql
      .exec<StoredGeneration>("SELECT * FROM generation WHERE family = ? AND n = ?", family, n)
      .toArray()[0];
  }

  must(family: number, n: number): StoredGeneration {
    const generation = this.find(family, n);
    if (generation === undefined) throw new Error(`family ${family} has no generation ${n}`);
    return generation;
  }

  /** The first that is stored from `n` on: whatever was given before leads to it, or was never given. */
  proofOf(family: number, n: number): { n: number; hash: string } | undefined {
    return this.#sql
      .exec<{ n: number; hash: string }>(
        "SELECT n, hash FROM generation WHERE family = ? AND n >= ? ORDER BY n LIMIT 1",
        family,
        n,
      )
      .toArray()[0];
  }

  /** What is remembered of a family's generations, newest first. */
  newest(family: number): Generation[] {
    return this.#sql
      .exec<Generation>(
        `SELECT n, issued_at, superseded_at, ip, country, user_agent, repeats, shared FROM generation
         WHERE family = ? ORDER BY n DESC LIMIT ${KEPT_GENERATIONS}`,
        family,
      )
      .toArray();
  }

  add(
    { number, refresh_kind }: { number: number; refresh_kind: "ref" | "ort" },
    given: Descendant,
    { ip, country, user_agent }: Origin,
    now: number,
  ): void {
    this.#sql.exec(
      "INSERT INTO generation (family, n, hash, issued_at, ip, country, user_agent) VALUES (?, ?, ?, ?, ?, ?, ?)",
      number,
      given.generation,
      hashOf(refresh_kind, spelledSecret(given)),
      now,
      ip,
      country,
      user_agent,
    );
  }

  supersede(family: number, n: number, now: number): void {
    this.#sql.exec("UPDATE generation SET superseded_at = ? WHERE family = ? AND n = ?", now, family, n);
  }

  /** Forgets generations below `kept`, but for one in 256 and those that parallel clients may still hold. */
  forget(family: number, kept: number, now: number): void {
    this.#sql.exec(
      `DELETE FROM generation WHERE family = ? AND n < ? AND n % ${PROOF_EVERY} <> 0 AND superseded_at < ?`,
      family,
      kept,
      now - PARALLEL_MS,
    );
  }

  /** Counts that a generation was given again. True where this is the first time for sharing. */
  countRepeat(family: number, n: number, shared: boolean, now: number): boolean {
    const generation = this.must(family, n);
    this.#sql.exec(
      "UPDATE generation SET repeats = repeats + 1, shared = shared + ?, minute = ?, repeats_in_minute = ? WHERE family = ? AND n = ?",
      shared ? 1 : 0,
      minuteOf(generation, now),
      repeatsInMinute(generation, now) + 1,
      family,
      n,
    );
    return shared && generation.shared === 0;
  }

  /** How many generations running, `n` the last of them, were each given again for sharing; more than a habit is not counted. */
  sharedRun(family: number, n: number): number {
    const newest = this.#sql
      .exec<{ shared: number }>(
        `SELECT shared FROM generation WHERE family = ? AND n <= ? ORDER BY n DESC LIMIT ${SHARED_RUN}`,
        family,
        n,
      )
      .toArray();
    const end = newest.findIndex(({ shared }) => shared === 0);
    return end < 0 ? newest.length : end;
  }
}

/** How often a generation was given again in this minute of its life. */
export function repeatsInMinute(generation: StoredGeneration, now: number): number {
  return generation.minute === minuteOf(generation, now) ? generation.repeats_in_minute : 0;
}

function minuteOf({ issued_at }: Generation, now: number): number {
  return Math.max(0, Math.floor((now - issued_at) / MINUTE_MS));
}
