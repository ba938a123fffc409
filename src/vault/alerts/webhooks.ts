import { ulid } from "ulid";
import { Problem } from "../../problem.ts";
import type { Jobs } from "../jobs.ts";
import type { WebhookEvent } from "./kinds.ts";

/** Where its owner wants to be told. Times are epoch milliseconds; `events` null means all. */
export type Webhook = {
  id: string;
  url: string;
  events: readonly WebhookEvent[] | null;
  created_at: number;
  failing_since: number | null;
  failures: number;
  dead_at: number | null;
  last_at: number | null;
  last_status: number | null;
  waiting: number;
};

/** A message on its way: the same id and body at every attempt. */
export type Delivery = { id: string; webhook_id: string; body: string; created_at: number; attempts: number };

const WEBHOOKS = 10;
const QUEUED = 1_000;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
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
/** A receiver that fails is left alone too, so that one which hangs does not eat the vault's one outbound slot. */
const HELD_MOST_MS = 5 * MINUTE_MS;
const GONE = 410;

type Row = Omit<Webhook, "events"> & { events: string | null };

/** Tables `webhook` and `delivery`. Messages go out one at a time, in the order in which they are due, at least once. */
export class Webhooks {
  readonly #sql: SqlStorage;
  readonly #jobs: Jobs;

  constructor(sql: SqlStorage, jobs: Jobs) {
    this.#sql = sql;
    this.#jobs = jobs;
  }

  assertRoom(): void {
    if (this.list().length >= WEBHOOKS) throw new Problem("conflict", `A vault has at most ${WEBHOOKS} webhooks.`);
  }

  newId(now: number): string {
    return `whk_${ulid(now)}`;
  }

  add(id: string, url: string, events: readonly WebhookEvent[] | null, sealed: Uint8Array, now: number): Webhook {
    this.assertRoom();
    const chosen = events === null ? null : JSON.stringify(events);
    this.#sql.exec(
      "INSERT INTO webhook (id, url, events, sealed, created_at) VALUES (?, ?, ?, ?, ?)",
      id,
      url,
      chosen,
      sealed,
      now,
    );
    return this.must(id);
  }

  must(id: string): Webhook {
    const [webhook] = this.#read("w.id = ?", id);
    if (webhook === undefined) throw new Problem("not_found", "There is no such webhook.");
    return webhook;
  }

  list(): Webhook[] {
    return this.#read("true ORDER BY w.id DESC");
  }

  reseal(id: string, sealed: Uint8Array): void {
    this.#sql.exec("UPDATE webhook SET sealed = ? WHERE id = ?", sealed, id);
  }

  sealedSecret(id: string): Uint8Array {
    const { sealed } = this.#sql.exec<{ sealed: ArrayBuffer }>("SELECT sealed FROM webhook WHERE id = ?", id).one();
    return new Uint8Array(sealed);
  }

  /** Nothing more is sent to it, what waits neither. */
  delete(id: string): void {
    this.#sql.exec("DELETE FROM webhook WHERE id = ?", id);
  }

  /** Whether anybody is to be told of anything: then nothing needs to be put into words. */
  any(): boolean {
    return this.#sql.exec("SELECT 1 FROM webhook WHERE dead_at IS NULL LIMIT 1").toArray().length > 0;
  }

  /** Puts a message in line for every webhook that wants to hear of such things. */
  queue(type: WebhookEvent, data: object, now: number): void {
    const body = bodyOf(type, data, now);
    for (const { id, events, dead_at } of this.list()) {
      if (dead_at !== null || (events !== null && !events.includes(type))) continue;
      const message = `msg_${ulid(now)}`;
      this.#sql.exec(
        "INSERT INTO delivery (id, webhook_id, body, created_at, due_at) VALUES (?, ?, ?, ?, ?)",
        message,
        id,
        body,
        now,
        now,
      );
      // What is new says more than what nobody took for long.
      this.#sql.exec(
        "DELETE FROM delivery WHERE webhook_id = ? AND id NOT IN (SELECT id FROM delivery WHERE webhook_id = ? ORDER BY id DESC LIMIT ?)",
        id,
        id,
        QUEUED,
      );
      this.plan(now);
    }
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
  due(now: number): { webhook: Webhook; delivery: Delivery } | undefined {
    const [delivery] = this.#sql
      .exec<Delivery>(
        `SELECT d.id, d.webhook_id, d.body, d.created_at, d.attempts FROM delivery d JOIN webhook w ON w.id = d.webhook_id
         WHERE d.due_at <= ?1 AND w.held_until <= ?1 ORDER BY d.due_at, d.id LIMIT 1`,
        now,
      )
      .toArray();
    return delivery && { webhook: this.must(delivery.webhook_id), delivery };
  }

  /** It was taken. */
  taken({ id, webhook_id }: Delivery, status: number, now: number): void {
    this.#sql.exec("DELETE FROM delivery WHERE id = ?", id);
    this.#sql.exec(
      "UPDATE webhook SET failing_since = NULL, failures = 0, held_until = 0, last_at = ?, last_status = ? WHERE id = ?",
      now,
      status,
      webhook_id,
    );
  }

  /** It was not taken. True where the webhook is given up: it took nothing for a day, or says that it is gone. */
  refused({ id, webhook_id, attempts, created_at }: Delivery, status: number | undefined, now: number): boolean {
    const wait = BACKOFF_MS[Math.min(attempts, BACKOFF_MS.length - 1)] ?? 0;
    this.#sql.exec("UPDATE delivery SET attempts = attempts + 1, due_at = ? WHERE id = ?", now + wait, id);
    if (now - created_at >= DAY_MS) this.#sql.exec("DELETE FROM delivery WHERE id = ?", id);
    const [row] = this.#sql
      .exec<{ failing_since: number; failures: number }>(
        `UPDATE webhook SET failing_since = coalesce(failing_since, ?1), failures = failures + 1, last_at = ?1, last_status = ?2
         WHERE id = ?3 RETURNING failing_since, failures`,
        now,
        status ?? null,
        webhook_id,
      )
      .toArray();
    if (row === undefined) return false;
    if (status === GONE || now - row.failing_since >= DAY_MS) {
      this.#sql.exec("UPDATE webhook SET dead_at = ? WHERE id = ?", now, webhook_id);
      this.#sql.exec("DELETE FROM delivery WHERE webhook_id = ?", webhook_id);
      return true;
    }
    const held = Math.min((BACKOFF_MS[0] as number) * 2 ** (row.failures - 1), HELD_MOST_MS);
    this.#sql.exec("UPDATE webhook SET held_until = ? WHERE id = ?", now + held, webhook_id);
    return false;
  }

  #read(where: string, ...values: SqlStorageValue[]): Webhook[] {
    return this.#sql
      .exec<Row>(
        `SELECT w.id, w.url, w.events, w.created_at, w.failing_since, w.failures, w.dead_at, w.last_at, w.last_status,
         (SELECT count(*) FROM delivery d WHERE d.webhook_id = w.id) AS waiting FROM webhook w WHERE ${where}`,
        ...values,
      )
      .toArray()
      .map((row) => ({ ...row, events: row.events === null ? null : (JSON.parse(row.events) as WebhookEvent[]) }));
  }
}

/** The text that is signed and sent (Standard Webhooks: type, timestamp, data). */
export function bodyOf(type: string, data: object, now: number): string {
  return JSON.stringify({ type, timestamp: new Date(now).toISOString(), data });
}
