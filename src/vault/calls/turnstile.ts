/**
 * Group commit. Rows that are written in one turn become durable together, by one flush. Callers that come while a flush is
 * under way wait for it and are then let in at once, so that theirs is one flush too; after a crowd the next one waits as well,
 * for company. Judging and recording each of them stays one synchronous step; a lone caller waits for nothing, and where it is
 * known that nothing is being flushed the flush is not waited for either.
 */
export class Turnstile {
  readonly #storage: DurableObjectStorage;
  #waiting: (() => void)[] = [];
  #flushing = false;
  /** The last one was let in unwatched: only who knows that it is over need not wait for it. */
  #unwatched = false;
  /** Several were let in last. */
  #crowded = false;

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  /** Undefined where there is nothing to wait for. `is_flushed`: all that was written is known to be on disk. */
  enter(is_flushed = false): Promise<void> | undefined {
    const may_enter = !this.#flushing && !this.#crowded && (is_flushed || !this.#unwatched);
    this.#unwatched = may_enter && is_flushed;
    if (this.#unwatched) return undefined;
    if (!this.#flushing) void this.#flush();
    return may_enter ? undefined : new Promise((resolve) => this.#waiting.push(resolve));
  }

  async #flush(): Promise<void> {
    this.#flushing = true;
    // A store that cannot be flushed resets the object; nothing is decided here by how it went.
    await this.#storage.sync().catch(() => {});
    const ready = this.#waiting;
    this.#waiting = [];
    this.#flushing = false;
    this.#crowded = ready.length > 1;
    for (const go of ready) go();
  }
}
