/**
 * Group commit. Rows that are written in one turn become durable together, by one flush. Callers that come while a flush is
 * under way wait for it and are then let in at once, so that theirs is one flush too. Judging and recording each of them stays
 * one synchronous step; a lone caller waits for nothing.
 */
export class Turnstile {
  readonly #storage: DurableObjectStorage;
  #waiting: (() => void)[] = [];

  constructor(storage: DurableObjectStorage) {
    this.#storage = storage;
  }

  enter(): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>();
    if (this.#waiting.push(resolve) === 1) void this.#letIn();
    return promise;
  }

  async #letIn(): Promise<void> {
    // A store that cannot be flushed resets the object; nothing is decided here by how it went.
    await this.#storage.sync().catch(() => {});
    const ready = this.#waiting;
    this.#waiting = [];
    for (const go of ready) go();
  }
}
