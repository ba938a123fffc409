import type { Audit, Event } from "./audit.ts";
import type { Jobs } from "./jobs.ts";

const WINDOW_MS = 60_000;
const TRACKED = 1_000;

type Window = { until: number; more: number; event: Event & { outcome: "refused" } };

/**
 * Keeps refusals from becoming a weapon: the first of a (token, rule) in a minute has a row of its own, the rest of that
 * minute share one counted row (SECURITY S14). Counts live in memory: an eviction may lose a count, never a first row.
 */
export class Refusals {
  readonly #audit: Audit;
  readonly #jobs: Jobs;
  readonly #windows = new Map<string, Window>();

  constructor(audit: Audit, jobs: Jobs) {
    this.#audit = audit;
    this.#jobs = jobs;
  }

  /** True where this refusal deserves a row of its own; otherwise it was counted. */
  isFirst(event: Event & { outcome: "refused" }, now: number): boolean {
    const name = `${event.actor.id} ${event.rule}`;
    const window = this.#windows.get(name);
    if (window !== undefined && window.until > now) {
      window.more++;
      this.#jobs.plan("count_refusals", window.until);
      return false;
    }
    this.#close(name);
    if (this.#windows.size >= TRACKED) this.flush(Infinity);
    this.#windows.set(name, { until: now + WINDOW_MS, more: 0, event });
    return true;
  }

  /** Writes the counted rows of minutes that are over. */
  flush(now: number): void {
    for (const [name, { until }] of this.#windows) if (until <= now) this.#close(name);
  }

  #close(name: string): void {
    const window = this.#windows.get(name);
    this.#windows.delete(name);
    if (window !== undefined && window.more > 0)
      this.#audit.append({ ...window.event, count: window.more }, Date.now());
  }
}
