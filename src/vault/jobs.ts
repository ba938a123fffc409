import { logFault } from "../problem.ts";
/** What a vault does later. One alarm per object serves all: it stands at the earliest due job (DESIGN D9). */
export type JobName =
  | "ship"
  | "interrupt"
  | "release_blobs"
  | "count_refusals"
  | "forget_answers"
  | "retain"
  | "recount"
  | "expire_feeds"
  | "renew"
  | "watch"
  | "deliver"
  | "end_sessions"
  | "empty_trash"
  | "reseal";

type Handler = (now: number) => Promise<void> | void;

const BACKOFF_MS = 2_000;
const BACKOFF_LIMIT_MS = 5 * 60_000;
const STOP_WITHIN_MS = 5_000;
/**
 * How often a job that has more to do may go on within one alarm: each is an invocation, which may put 1,000 questions to D1 and as many to KV. Those that
 * ask hundreds have one go.
 */
const GOES = 20;
const ONE_GO: ReadonlySet<JobName> = new Set(["retain", "reseal"]);
/** An alarm that is this late was given up by the platform: it retries a failing one a few times only. */
const OVERDUE_MS = 60_000;

/** Table `job`. A job runs at least once, so handlers are idempotent; a failing one backs off alone. */
export class Jobs {
  readonly #storage: DurableObjectStorage;
  /** Due times as stored: asking to do what is already planned costs nothing. */
  readonly #due = new Map<JobName, number>();
  #stopped = false;
  #running: Promise<unknown> = Promise.resolve();
  /** Failing jobs, and until when each is left alone however urgent its next plan is. */
  readonly #held = new Map<JobName, number>();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Reads what is planned. Called once the schema stands. */
  load(): void {
    const rows = this.#storage.sql.exec<{ name: JobName; due_at: number; failures: number }>(
      "SELECT name, due_at, failures FROM job",
    );
    for (const { name, due_at, failures } of rows) {
      this.#due.set(name, due_at);
      if (failures > 0) this.#held.set(name, due_at);
    }
    const now = Date.now();
    if (Math.min(...this.#due.values()) < now - OVERDUE_MS) this.#arm(now);
  }

  /** Plans a job for `due_at` (epoch ms), or sooner if it already was. A failing job is not hurried. */
  plan(name: JobName, due_at: number): void {
    if (this.#stopped) return;
    const at = Math.max(due_at, this.#held.get(name) ?? 0);
    if ((this.#due.get(name) ?? Infinity) <= at) return;
    this.#storage.sql.exec(
      "INSERT INTO job (name, due_at) VALUES (?, ?) ON CONFLICT DO UPDATE SET due_at = excluded.due_at",
      name,
      at,
    );
    const earliest = Math.min(...this.#due.values());
    this.#due.set(name, at);
    if (at < earliest) this.#arm(at);
  }

  /**
   * Runs what is due, side by side so that a slow job holds up no other, then sets the alarm again, at once where something has had
   * its goes. Never throws: the platform would run the lot again.
   */
  async run(handlers: Record<JobName, Handler>): Promise<void> {
    const goes = new Map<JobName, number>();
    try {
      for (let due = this.#dueNow(goes); due.length > 0 && !this.#stopped; due = this.#dueNow(goes)) {
        for (const [name] of due) goes.set(name, (goes.get(name) ?? 0) + 1);
        this.#running = Promise.all(due.map(([name, due_at]) => this.#runOne(name, due_at, handlers[name])));
        await this.#running;
      }
    } finally {
      if (this.#due.size > 0 && !this.#stopped) this.#arm(Math.min(...this.#due.values()));
    }
  }

  /** No job is begun any more; resolves once those under way have ended, or have taken too long. */
  async stop(): Promise<void> {
    this.#stopped = true;
    const over = new AbortController();
    const patience = scheduler.wait(STOP_WITHIN_MS, { signal: over.signal }).catch(() => {});
    await Promise.race([this.#running, patience]);
    over.abort();
  }

  /** What is due and has a go left. */
  #dueNow(goes: ReadonlyMap<JobName, number>): [JobName, number][] {
    const now = Date.now();
    const left = (name: JobName) => (ONE_GO.has(name) ? 1 : GOES) - (goes.get(name) ?? 0);
    return [...this.#due].filter(([name, due_at]) => due_at <= now && left(name) > 0);
  }

  async #runOne(name: JobName, due_at: number, handler: Handler): Promise<void> {
    // Forgotten in memory only: a plan made while the handler runs is kept, a crash meanwhile leaves the row to run again.
    this.#due.delete(name);
    this.#held.delete(name);
    try {
      await handler(Date.now());
      if (!this.#due.has(name)) this.#storage.sql.exec("DELETE FROM job WHERE name = ? AND due_at <= ?", name, due_at);
      else this.#storage.sql.exec("UPDATE job SET failures = 0 WHERE name = ? AND failures > 0", name);
    } catch (fault) {
      logFault("job_failed", fault, { job: name });
      const { failures } = this.#storage.sql
        .exec<{ failures: number }>("UPDATE job SET failures = failures + 1 WHERE name = ? RETURNING failures", name)
        .one();
      const at = Date.now() + Math.min(BACKOFF_MS * 2 ** (failures - 1), BACKOFF_LIMIT_MS);
      this.#due.delete(name);
      this.#held.set(name, at);
      this.plan(name, at);
    }
  }

  #arm(at: number): void {
    // Not awaited: the output gate holds every answer until the alarm is as durable as the rows it is for.
    void this.#storage.setAlarm(at);
  }
}
