/** What a vault does later. One alarm per object serves all: it stands at the earliest due job (DESIGN D9). */
export type JobName = "ship" | "release_blobs" | "count_refusals";

type Handler = (now: number) => Promise<void> | void;

const BACKOFF_MS = 2_000;
const BACKOFF_LIMIT_MS = 5 * 60_000;

/** Table `job`. A job runs at least once, so handlers are idempotent; a failing one backs off alone. */
export class Jobs {
  readonly #storage: DurableObjectStorage;
  /** Due times as stored: asking to do what is already planned costs nothing. */
  readonly #due = new Map<JobName, number>();

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Reads what is planned. Called once the schema stands. */
  load(): void {
    for (const row of this.#storage.sql.exec<{ name: JobName; due_at: number }>("SELECT name, due_at FROM job")) {
      this.#due.set(row.name, row.due_at);
    }
  }

  /** Plans a job for `due_at` (epoch ms), or sooner if it already was. */
  plan(name: JobName, due_at: number): void {
    if ((this.#due.get(name) ?? Infinity) <= due_at) return;
    this.#storage.sql.exec(
      "INSERT INTO job (name, due_at) VALUES (?, ?) ON CONFLICT DO UPDATE SET due_at = excluded.due_at",
      name,
      due_at,
    );
    const earliest = Math.min(...this.#due.values());
    this.#due.set(name, due_at);
    if (due_at < earliest) this.#arm(due_at);
  }

  /** Runs what is due, then sets the alarm again. Never throws: the platform would run the lot again. */
  async run(handlers: Record<JobName, Handler>): Promise<void> {
    try {
      for (const [name, due_at] of this.#due)
        if (due_at <= Date.now()) await this.#runOne(name, due_at, handlers[name]);
    } finally {
      if (this.#due.size > 0) this.#arm(Math.min(...this.#due.values()));
    }
  }

  async #runOne(name: JobName, due_at: number, handler: Handler): Promise<void> {
    // Forgotten in memory only: a plan made while the handler runs is kept, a crash meanwhile leaves the row to run again.
    this.#due.delete(name);
    try {
      await handler(Date.now());
      if (!this.#due.has(name)) this.#storage.sql.exec("DELETE FROM job WHERE name = ? AND due_at <= ?", name, due_at);
      else this.#storage.sql.exec("UPDATE job SET failures = 0 WHERE name = ?", name);
    } catch (fault) {
      console.error(JSON.stringify({ event: "job_failed", job: name, error: String(fault) }));
      const { failures } = this.#storage.sql
        .exec<{ failures: number }>("UPDATE job SET failures = failures + 1 WHERE name = ? RETURNING failures", name)
        .one();
      const wait = Math.min(BACKOFF_MS * 2 ** (failures - 1), BACKOFF_LIMIT_MS);
      this.#due.delete(name);
      this.plan(name, Date.now() + wait);
    }
  }

  #arm(at: number): void {
    // Not awaited: the output gate holds every answer until the alarm is as durable as the rows it is for.
    void this.#storage.setAlarm(at);
  }
}
