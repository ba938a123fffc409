import type { Actor, Event, Outcome } from "../audit/row.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Facts, NewAlert } from "./alerts.ts";
import { countCalls, countCountry, countEnds, newNormal, type Normal } from "./normal.ts";

/** Whose call it is, which of theirs made it, and with which key. */
type Whose = { id: string; actor: Actor; key: string | undefined };
type Family = Pick<Tokens, "eldest" | "find">;

const REMEMBERED = 2_000;
const UNDER_WAY = 20_000;
const FORGOTTEN_MS = 400 * 86_400_000;

/** Refusals that look like somebody trying what a token can do; others come from limits, pauses and expiries. */
const PROBING = new Set(["keys", "methods", "paths", "target", "ip_allow", "countries", "allow_credential_endpoints"]);
/** An upstream's answers that say something about the caller or the credential; 404 and 422 are everyday life. */
const FAILURES = new Set([401, 403, 429]);

/**
 * Table `baseline`: what is normal for each token, grant or device, and what is not. What a token derives counts as its own: a thief
 * would have a new one for each hour, of which nobody knows yet what is normal. Counted in memory as rows are written, and stored with
 * the batches that go to D1, so it costs no call a row of its own.
 */
export class Anomalies {
  readonly #sql: SqlStorage;
  readonly #tokens: Family;
  readonly #eldest = new Map<string, string>();
  readonly #raise: (alert: NewAlert, origin: Event | undefined) => void;
  readonly #normals = new Map<string, Normal>();
  readonly #changed = new Set<string>();
  /** Calls that have not ended, by seq; one that is forgotten over a sleep is only not counted. */
  readonly #under_way = new Map<number, Whose>();

  constructor(sql: SqlStorage, tokens: Family, raise: (alert: NewAlert, origin: Event | undefined) => void) {
    this.#sql = sql;
    this.#tokens = tokens;
    this.#raise = raise;
  }

  /** A row was written. */
  decided(seq: number, event: Event, now: number): void {
    if (event.action !== "proxy.call") return;
    const whose = { id: this.#eldestOf(event.actor.id), actor: event.actor, key: event.key };
    if (event.outcome === "refused") {
      if (PROBING.has(event.rule ?? "")) this.#ended(whose, event.count ?? 1, now, event);
      return;
    }
    if (this.#under_way.size >= UNDER_WAY) this.#under_way.clear();
    this.#under_way.set(seq, whose);
    const normal = this.#of(whose.id, now);
    const surge = countCalls(normal, now);
    const is_news = countCountry(normal, event.country, now);
    if (surge !== undefined) this.#raise(this.#about("volume", whose, surge), event);
    if (is_news) this.#raise(this.#about("new_country", whose, { country: event.country }), event);
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
    if (burst !== undefined) this.#raise(this.#about("error_burst", whose, burst), origin);
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

  /** From which token one stems never changes. */
  #eldestOf(id: string): string {
    const known = this.#eldest.get(id);
    if (known !== undefined) return known;
    if (this.#eldest.size >= REMEMBERED) this.#eldest.clear();
    const eldest = this.#tokens.eldest(id);
    this.#eldest.set(id, eldest);
    return eldest;
  }

  #about(kind: NewAlert["kind"], { id, actor, key }: Whose, facts: Facts): NewAlert {
    const name = id === actor.id ? actor.name : this.#tokens.find(id)?.name;
    return { kind, subject: id, name, key, facts };
  }
}
