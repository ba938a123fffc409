import type { Event, Outcome } from "../audit/row.ts";
import type { NewAlert } from "./alerts.ts";
import { countCalls, countCountry, countEnds, newNormal, type Normal } from "./normal.ts";

/** Whose call it is, and with which key. */
type Whose = { id: string; name: string; key: string | undefined };

const REMEMBERED = 2_000;
const UNDER_WAY = 20_000;
const FORGOTTEN_MS = 400 * 86_400_000;

/** Refusals that look like somebody trying what a token can do; others come from limits, pauses and expiries. */
const PROBING = new Set(["keys", "methods", "paths", "target", "ip_allow", "countries", "allow_credential_endpoints"]);
/** An upstream's answers that say something about the caller or the credential; 404 and 422 are everyday life. */
const FAILURES = new Set([401, 403, 429]);

/**
 * Table `baseline`: what is normal for each token, grant or device, and what is not. Counted in memory as rows are written, and
 * stored with the batches that go to D1, so it costs no call a row of its own.
 */
export class Anomalies {
  readonly #sql: SqlStorage;
  readonly #raise: (alert: NewAlert, origin: Event | undefined) => void;
  readonly #normals = new Map<string, Normal>();
  readonly #changed = new Set<string>();
  /** Calls that have not ended, by seq; one that is forgotten over a sleep is only not counted. */
  readonly #under_way = new Map<number, Whose>();

  constructor(sql: SqlStorage, raise: (alert: NewAlert, origin: Event | undefined) => void) {
    this.#sql = sql;
    this.#raise = raise;
  }

  /** A row was written. */
  decided(seq: number, event: Event, now: number): void {
    if (event.action !== "proxy.call") return;
    const whose = { id: event.actor.id, name: event.actor.name, key: event.key };
    if (event.outcome === "refused") {
      if (PROBING.has(event.rule ?? "")) this.#ended(whose, event.count ?? 1, now, event);
      return;
    }
    if (this.#under_way.size >= UNDER_WAY) this.#under_way.clear();
    this.#under_way.set(seq, whose);
    const normal = this.#of(whose.id, now);
    const surge = countCalls(normal, now);
    const is_news = countCountry(normal, event.country, now);
    if (surge !== undefined) this.#raise(about("volume", whose, surge), event);
    if (is_news) this.#raise(about("new_country", whose, { country: event.country }), event);
  }

  /** A row has got its outcome. */
  settled(seq: number, { outcome, status = 0 }: Outcome, now: number): void {
    const whose = this.#under_way.get(seq);
    if (!this.#under_way.delete(seq) || whose === undefined) return;
    if (outcome === "cut" || outcome === "canceled" || outcome === "refused") return;
    const failed = outcome !== "ok" || status >= 500 || FAILURES.has(status);
    this.#ended(whose, failed ? 1 : 0, now, undefined);
  }

  /** Stores what was learned since the last time: a row for each token that was used. */
  save(now: number): void {
    for (const actor of this.#changed) {
      const normal = JSON.stringify(this.#normals.get(actor));
      this.#sql.exec("INSERT OR REPLACE INTO baseline (actor, normal, at) VALUES (?, ?, ?)", actor, normal, now);
    }
    this.#changed.clear();
  }

  /** Forgets tokens that nobody has used for more than a year. */
  forget(now: number): void {
    this.#sql.exec("DELETE FROM baseline WHERE at < ?", now - FORGOTTEN_MS);
  }

  #ended(whose: Whose, failures: number, now: number, origin: Event | undefined): void {
    const burst = countEnds(this.#of(whose.id, now), failures, Math.max(failures, 1), now);
    if (burst !== undefined) this.#raise(about("error_burst", whose, burst), origin);
  }

  #of(actor: string, now: number): Normal {
    const known = this.#normals.get(actor);
    if (known === undefined && this.#normals.size >= REMEMBERED) {
      this.save(now);
      this.#normals.clear();
    }
    this.#changed.add(actor);
    if (known !== undefined) return known;
    const [row] = this.#sql.exec<{ normal: string }>("SELECT normal FROM baseline WHERE actor = ?", actor).toArray();
    const normal = row === undefined ? newNormal(now) : (JSON.parse(row.normal) as Normal);
    this.#normals.set(actor, normal);
    return normal;
  }
}

function about(kind: NewAlert["kind"], { id, name, key }: Whose, facts: Record<string, string | number>): NewAlert {
  return { kind, subject: id, name, key, facts };
}
