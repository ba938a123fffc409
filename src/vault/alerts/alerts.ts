import { Problem } from "../../problem.ts";
import { newIds } from "../ids.ts";
import { ALERT_KINDS, type AlertKind } from "./kinds.ts";

/** What an alert stops by itself: nothing, its token or grant, or the whole vault. */
type AutoFreeze = "off" | "subject" | "vault";
export type AlertSetting = { enabled: boolean; auto_freeze: AutoFreeze };

/** Figures and names that an alert tells; never a secret, and worded by us. */
export type Facts = Record<string, string | number>;

/** Something to raise. `subject` is the id of what it is about. */
export type NewAlert = {
  kind: AlertKind;
  subject: string;
  name?: string | undefined;
  key?: string | undefined;
  facts?: Facts | undefined;
};

/** An alert as it stands. Times are epoch milliseconds. */
export type Alert = {
  id: string;
  kind: AlertKind;
  subject: string;
  name: string | null;
  key: string | null;
  facts: Facts;
  count: number;
  first_at: number;
  last_at: number;
  froze: "subject" | "vault" | null;
  acknowledged_at: number | null;
};

/** What a list of alerts is narrowed by. */
export type AlertFilter = { state?: "open" | "acknowledged" | undefined; kind?: AlertKind | undefined };

const DEFAULT: AlertSetting = { enabled: true, auto_freeze: "off" };
const KEPT_MS = 365 * 86_400_000;

type Row = Omit<Alert, "facts"> & { facts: string };

/** Tables `alert` and `alert_setting`. There is at most one open alert of a kind about one subject (SECURITY S14's care for rows). */
export class Alerts {
  readonly #sql: SqlStorage;
  readonly #newId = newIds();

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  /** Counts it towards the open alert of its kind and subject, or opens one. `isNew` where it was opened. */
  raise({ kind, subject, name, key, facts = {} }: NewAlert, now: number): { alert: Alert; isNew: boolean } {
    const text = JSON.stringify(facts);
    const [counted] = this.#read(
      `UPDATE alert SET count = count + 1, last_at = ?, facts = ?
       WHERE kind = ? AND subject = ? AND acknowledged_at IS NULL RETURNING *`,
      now,
      text,
      kind,
      subject,
    );
    if (counted !== undefined) return { alert: counted, isNew: false };
    this.#sql.exec("DELETE FROM alert WHERE acknowledged_at < ?", now - KEPT_MS);
    const [alert] = this.#read(
      "INSERT INTO alert (id, kind, subject, name, key, facts, count, first_at, last_at) VALUES (?, ?, ?, ?, ?, ?, 1, ?, ?) RETURNING *",
      this.#newId("alt", now),
      kind,
      subject,
      name ?? null,
      key ?? null,
      text,
      now,
      now,
    );
    if (alert === undefined) throw new Error("the alert was not stored");
    return { alert, isNew: true };
  }

  /** What the vault has done by itself because of it. */
  noteFrozen(id: string, froze: "subject" | "vault"): Alert {
    return this.#one(this.#read("UPDATE alert SET froze = ? WHERE id = ? RETURNING *", froze, id));
  }

  /** A person has seen it. What happens again opens another. */
  acknowledge(id: string, now: number): Alert {
    return this.#one(
      this.#read("UPDATE alert SET acknowledged_at = coalesce(acknowledged_at, ?) WHERE id = ? RETURNING *", now, id),
    );
  }

  find(id: string): Alert | undefined {
    return this.#read("SELECT * FROM alert WHERE id = ?", id)[0];
  }

  /** Newest first, below the id `before`. */
  list(before: string | undefined, limit: number, { state, kind }: AlertFilter): Alert[] {
    return this.#read(
      `SELECT * FROM alert WHERE id < ?1 AND (?2 IS NULL OR (acknowledged_at IS NULL) = ?2) AND (?3 IS NULL OR kind = ?3)
       ORDER BY id DESC LIMIT +?4`,
      before ?? "~",
      state === undefined ? null : Number(state === "open"),
      kind ?? null,
      limit,
    );
  }

  /** Was this told before, to the letter, whether or not somebody has seen it since? */
  wasTold({ kind, subject, facts = {} }: NewAlert): boolean {
    return (
      this.#sql
        .exec("SELECT 1 FROM alert WHERE kind = ? AND subject = ? AND facts = ?", kind, subject, JSON.stringify(facts))
        .toArray().length > 0
    );
  }

  /** Has an alert about this subject stopped it, without anybody having seen that? */
  hasFrozen(subject: string): boolean {
    return (
      this.#sql
        .exec("SELECT 1 FROM alert WHERE subject = ? AND froze IS NOT NULL AND acknowledged_at IS NULL", subject)
        .toArray().length > 0
    );
  }

  setting(kind: AlertKind): AlertSetting {
    return this.settings()[kind];
  }

  settings(): Record<AlertKind, AlertSetting> {
    const set = new Map(
      this.#sql
        .exec<{ kind: string; enabled: number; auto_freeze: AutoFreeze }>("SELECT * FROM alert_setting")
        .toArray()
        .map(({ kind, enabled, auto_freeze }) => [kind, { enabled: enabled === 1, auto_freeze }]),
    );
    return Object.fromEntries(ALERT_KINDS.map((kind) => [kind, set.get(kind) ?? DEFAULT])) as Record<
      AlertKind,
      AlertSetting
    >;
  }

  set(kind: AlertKind, { enabled, auto_freeze }: AlertSetting): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO alert_setting (kind, enabled, auto_freeze) VALUES (?, ?, ?)",
      kind,
      enabled ? 1 : 0,
      auto_freeze,
    );
  }

  #one([alert]: Alert[]): Alert {
    if (alert === undefined) throw new Problem("not_found", "There is no such alert.");
    return alert;
  }

  #read(query: string, ...values: SqlStorageValue[]): Alert[] {
    return this.#sql
      .exec<Row>(query, ...values)
      .toArray()
      .map((row) => ({ ...row, facts: JSON.parse(row.facts) as Facts }));
  }
}
