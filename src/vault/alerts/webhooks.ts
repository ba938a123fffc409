import { Problem } from "../../problem.ts";
import type { Deliveries } from "./deliveries.ts";
import type { WebhookEvent } from "./kinds.ts";
import { newIds } from "../ids.ts";

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

const WEBHOOKS = 10;
const SECOND_MS = 1_000;
const MINUTE_MS = 60 * SECOND_MS;
const DAY_MS = 24 * 60 * MINUTE_MS;
/** A receiver that fails is left alone too, so that one which hangs does not eat the vault's one outbound slot. */
const HELD_FIRST_MS = 5 * SECOND_MS;
const HELD_MOST_MS = 5 * MINUTE_MS;
const GONE = 410;

type Row = Omit<Webhook, "events"> & { events: string | null };

/** Table `webhook`: where its owner is told, and how that goes. */
export class Webhooks {
  readonly newId = newIds();
  readonly #sql: SqlStorage;
  readonly #deliveries: Deliveries;

  constructor(sql: SqlStorage, deliveries: Deliveries) {
    this.#sql = sql;
    this.#deliveries = deliveries;
  }

  assertRoom(): void {
    if (this.list().length >= WEBHOOKS) throw new Problem("conflict", `A vault has at most ${WEBHOOKS} webhooks.`);
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
      this.#deliveries.queue(id, body, now);
    }
  }

  /** It took something: it is well again, given up or not. */
  took(id: string, status: number, now: number): void {
    this.#sql.exec(
      "UPDATE webhook SET failing_since = NULL, failures = 0, held_until = 0, dead_at = NULL, last_at = ?, last_status = ? WHERE id = ?",
      now,
      status,
      id,
    );
  }

  /** It did not take what was due. True where it is given up: it took nothing for a day, or says that it is gone. */
  refused(id: string, status: number | undefined, now: number): boolean {
    const [row] = this.#sql
      .exec<{ failing_since: number; failures: number }>(
        `UPDATE webhook SET failing_since = coalesce(failing_since, ?1), failures = failures + 1, last_at = ?1, last_status = ?2
         WHERE id = ?3 RETURNING failing_since, failures`,
        now,
        status ?? null,
        id,
      )
      .toArray();
    if (row === undefined) return false;
    if (status === GONE || now - row.failing_since >= DAY_MS) {
      this.#sql.exec("UPDATE webhook SET dead_at = ? WHERE id = ?", now, id);
      return true;
    }
    const held = Math.min(HELD_FIRST_MS * 2 ** (row.failures - 1), HELD_MOST_MS);
    this.#sql.exec("UPDATE webhook SET held_until = ? WHERE id = ?", now + held, id);
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
