import { Problem } from "../../problem.ts";
import { newIds } from "../ids.ts";
import type { Jobs } from "../jobs.ts";

/** How an attempt ended, in our words: of the receiver's answer only the status is told. */
export type Attempt = { taken: boolean; status?: number | undefined; latency_ms: number; detail: string };

/** A message: the same id and body at every attempt. */
export type Delivery = { id: string; webhook_id: string; body: string; created_at: number; attempts: number };

/** What became of a message so far. Times are epoch milliseconds; `due_at` is when a waiting one is tried again. */
export type DeliveryRecord = Omit<Delivery, "body"> & {
  event: string;
  state: "waiting" | "taken" | "given_up";
  due_at: number | null;
  last_at: number | null;
  last_status: number | null;
  latency_ms: number | null;
  detail: string | null;
};

/** At most so many wait for a webhook, and so many that wait no more are remembered. */
const QUEUED = 1_000;
const REMEMBERED = 100;

const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
/** After each failure the message waits this long; the last step is repeated. */
const BACKOFF_MS = [
  5 * SECOND_MS,
  30 * SECOND_MS,
  2 * MINUTE_MS,
  10 * MINUTE_MS,
  30 * MINUTE_MS,
  60 * MINUTE_MS,
  120 * MINUTE_MS,
];
const DAY_MS = 24 * 60 * MINUTE_MS;

/** Tables `delivery` (what waits) and `past_delivery`. Messages go out one at a time, in the order in which they are due, at least once. */
export class Deliveries {
  readonly #sql: SqlStorage;
  readonly #newId = newIds();
  readonly #jobs: Jobs;

  constructor(sql: SqlStorage, jobs: Jobs) {
    this.#sql = sql;
    this.#jobs = jobs;
  }

  /** Puts a message in line. */
  queue(webhook_id: string, body: string, now: number): void {
    this.#sql.exec(
      "INSERT INTO delivery (id, webhook_id, body, created_at, due_at) VALUES (?, ?, ?, ?, ?)",
      this.#newId("msg", now),
      webhook_id,
      body,
      now,
      now,
    );
    // What is new says more than what nobody took for long.
    this.#sql.exec(
      "DELETE FROM delivery WHERE webhook_id = ? AND id NOT IN (SELECT id FROM delivery WHERE webhook_id = ? ORDER BY id DESC LIMIT +?)",
      webhook_id,
      webhook_id,
      QUEUED,
    );
    this.plan(now);
  }

  /** A message that waits for nothing: it is sent by hand, once. */
  byHand(webhook_id: string, body: string, now: number): Delivery {
    const id = this.#newId("msg", now);
    this.#sql.exec(
      "INSERT INTO past_delivery (id, webhook_id, body, created_at, attempts, taken) VALUES (?, ?, ?, ?, 0, 0)",
      id,
      webhook_id,
      body,
      now,
    );
    this.#forget(webhook_id);
    return { id, webhook_id, body, created_at: now, attempts: 0 };
  }

  /** Plans the next attempt, if anything waits. */
  plan(now: number): void {
    const { at } = this.#sql
      .exec<{ at: number | null }>(
        "SELECT min(max(d.due_at, w.held_until)) AS at FROM delivery d JOIN webhook w ON w.id = d.webhook_id",
      )
      .one();
    if (at !== null) this.#jobs.plan("deliver", Math.max(at, now));
  }

  /** The message that is due first, of a receiver that is not left alone. */
  due(now: number): Delivery | undefined {
    return this.#sql
      .exec<Delivery>(
        `SELECT d.id, d.webhook_id, d.body, d.created_at, d.attempts FROM delivery d JOIN webhook w ON w.id = d.webhook_id
         WHERE d.due_at <= ?1 AND w.held_until <= ?1 ORDER BY d.due_at, d.id LIMIT 1`,
        now,
      )
      .toArray()[0];
  }

  /** A message of a webhook, whether it waits or not. */
  must(webhook_id: string, id: string): Delivery {
    const [delivery] = this.#sql
      .exec<Delivery>(
        `SELECT id, webhook_id, body, created_at, attempts FROM delivery WHERE id = ?1 AND webhook_id = ?2
         UNION ALL SELECT id, webhook_id, body, created_at, attempts FROM past_delivery WHERE id = ?1 AND webhook_id = ?2`,
        id,
        webhook_id,
      )
      .toArray();
    if (delivery === undefined) throw new Problem("not_found", "There is no such delivery.");
    return delivery;
  }

  /** The messages of a webhook, newest first. */
  list(webhook_id: string, before: string | undefined, limit: number): DeliveryRecord[] {
    return this.#sql
      .exec<DeliveryRecord>(
        `SELECT id, webhook_id, json_extract(body, '$.type') AS event, created_at, attempts, 'waiting' AS state, due_at,
           last_at, last_status, latency_ms, detail FROM delivery WHERE webhook_id = ?1 AND id < ?2
         UNION ALL SELECT id, webhook_id, json_extract(body, '$.type'), created_at, attempts, iif(taken, 'taken', 'given_up'), NULL,
           last_at, last_status, latency_ms, detail FROM past_delivery WHERE webhook_id = ?1 AND id < ?2
         ORDER BY id DESC LIMIT +?3`,
        webhook_id,
        before ?? "~",
        limit,
      )
      .toArray();
  }

  /** Notes an attempt. What was taken, or has waited for a day, waits no more. */
  tried({ id, webhook_id, attempts, created_at }: Delivery, { taken, ...how }: Attempt, now: number): void {
    const wait = BACKOFF_MS[Math.min(attempts, BACKOFF_MS.length - 1)] ?? 0;
    const ended = [now, how.status ?? null, how.latency_ms, how.detail, id] as const;
    this.#sql.exec(
      "UPDATE delivery SET attempts = attempts + 1, due_at = ?, last_at = ?, last_status = ?, latency_ms = ?, detail = ? WHERE id = ?",
      now + wait,
      ...ended,
    );
    // What was taken once was taken, however it ends when it is sent again.
    this.#sql.exec(
      "UPDATE past_delivery SET attempts = attempts + 1, taken = max(taken, ?), last_at = ?, last_status = ?, latency_ms = ?, detail = ? WHERE id = ?",
      Number(taken),
      ...ended,
    );
    if (taken || now - created_at >= DAY_MS) this.#end(webhook_id, taken, "id = ?1", id);
  }

  /** Nothing of what waits for a webhook is tried again by itself. */
  giveUp(webhook_id: string): void {
    this.#end(webhook_id, false, "webhook_id = ?1", webhook_id);
  }

  #end(webhook_id: string, taken: boolean, which: string, value: string): void {
    this.#sql.exec(
      `INSERT OR REPLACE INTO past_delivery (id, webhook_id, body, created_at, attempts, taken, last_at, last_status, latency_ms, detail)
       SELECT id, webhook_id, body, created_at, attempts, ?2, last_at, last_status, latency_ms, detail FROM delivery
       WHERE ${which} ORDER BY id DESC LIMIT +?3`,
      value,
      Number(taken),
      REMEMBERED,
    );
    this.#sql.exec(`DELETE FROM delivery WHERE ${which}`, value);
    this.#forget(webhook_id);
  }

  #forget(webhook_id: string): void {
    this.#sql.exec(
      `DELETE FROM past_delivery WHERE webhook_id = ?1 AND id <=
         (SELECT id FROM past_delivery WHERE webhook_id = ?1 ORDER BY id DESC LIMIT 1 OFFSET ?2)`,
      webhook_id,
      REMEMBERED,
    );
  }
}
