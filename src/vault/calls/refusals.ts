import type { Audit } from "../audit/audit.ts";
import type { Event } from "../audit/row.ts";
import type { Jobs } from "../jobs.ts";

const WINDOW_MS = 60_000;
const TRACKED = 1_000;
/** Shorter than an idle vault stays awake, so that it does not forget what it counted. */
const NOTE_AFTER_MS = 5_000;

/** In a counted row: not the same for all that it counts. */
const VARIOUS = "various";

type Refused = Event & { outcome: "refused" };
/** `noted` is how much of the count is stored. */
type Window = { until: number; more: number; noted: number; event: Refused };

/**
 * Table `refusal`. Keeps refusals from becoming a weapon: the first of a (token, rule) in a minute has a row of its own, the
 * rest of that minute, those of tokens derived from it too, share one counted row (SECURITY S14). Counts are stored every few seconds, not with every refusal: a
 * crash may lose a count, never a first row.
 */
export class Refusals {
  readonly #sql: SqlStorage;
  readonly #audit: Audit;
  readonly #jobs: Jobs;
  readonly #eldestOf: (id: string) => string;
  #known: Map<string, Window> | undefined;

  /** `eldestOf`: from which token one was derived in the end, by whose many children nobody has more rows. */
  constructor(sql: SqlStorage, audit: Audit, jobs: Jobs, eldestOf: (id: string) => string) {
    this.#eldestOf = eldestOf;
    this.#sql = sql;
    this.#audit = audit;
    this.#jobs = jobs;
  }

  /** True where this refusal deserves a row of its own; otherwise it was counted. */
  isFirst(event: Refused, now: number): boolean {
    const eldest = this.#eldestOf(event.actor.id);
    const name = `${eldest} ${event.rule}`;
    const window = this.#windows.get(name);
    if (window !== undefined && window.until > now) {
      window.more++;
      // The counted row stands for several calls: it says only what they have in common.
      if (event.actor.id !== window.event.actor.id)
        window.event = { ...window.event, actor: { ...event.actor, id: eldest, name: VARIOUS } };
      if (event.ip !== window.event.ip) window.event = { ...window.event, ip: VARIOUS, country: VARIOUS };
      this.#jobs.plan("count_refusals", Math.min(window.until, now + NOTE_AFTER_MS));
      return false;
    }
    this.#close(name);
    if (this.#windows.size >= TRACKED) for (const each of this.#windows.keys()) this.#close(each);
    this.#windows.set(name, { until: now + WINDOW_MS, more: 0, noted: 0, event });
    return true;
  }

  /** Writes the counted rows of minutes that are over, and notes the counts of the others. */
  flush(now: number): void {
    for (const [name, window] of this.#windows) {
      if (window.until <= now) this.#close(name);
      else if (window.more > 0) {
        if (window.noted < window.more) this.#note(name, window);
        this.#jobs.plan("count_refusals", window.until);
      }
    }
  }

  /** At first where the vault was when it fell asleep. */
  get #windows(): Map<string, Window> {
    return (this.#known ??= this.#noted());
  }

  #noted(): Map<string, Window> {
    const rows = this.#sql.exec<{ name: string; until: number; more: number; event: string }>(
      "SELECT name, until, more, event FROM refusal",
    );
    return new Map(
      [...rows].map(({ name, until, more, event }) => [
        name,
        { until, more, noted: more, event: JSON.parse(event) as Refused },
      ]),
    );
  }

  #note(name: string, window: Window): void {
    this.#sql.exec(
      "INSERT INTO refusal (name, until, more, event) VALUES (?, ?, ?, ?) ON CONFLICT DO UPDATE SET more = excluded.more, event = excluded.event",
      name,
      window.until,
      window.more,
      JSON.stringify(window.event),
    );
    window.noted = window.more;
  }

  #close(name: string): void {
    const window = this.#windows.get(name);
    this.#windows.delete(name);
    if (window === undefined || window.more === 0) return;
    if (window.noted > 0) this.#sql.exec("DELETE FROM refusal WHERE name = ?", name);
    const { actor, action, outcome, rule, ip, country } = window.event;
    this.#audit.append({ actor, action, outcome, rule, ip, country, user_agent: "", count: window.more }, Date.now());
  }
}
