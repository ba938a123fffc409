/** How much one side of a vault's WebSockets may be sent before it says something, over all of them in this isolate. */
const BYTES = 64 * 1024 * 1024;

type Direction = { bytes: number; stop: () => void };

/**
 * What is on its way to readers that have said nothing since. The runtime neither tells how much of a WebSocket waits for its
 * reader nor lets a sender wait, so a reader that stops is told from one that reads by its words alone: all that was sent since
 * the last one may still wait in memory. Past the bound the one that has let most pass is stopped; it may come back (CONTRACT §4).
 * Bytes only, no token and no content.
 */
const by_vault = new Map<string, Set<Direction>>();

/** One direction of one WebSocket. `stop` ends it. */
export class Unanswered {
  readonly #vault_id: string;
  readonly #direction: Direction;

  constructor(vault_id: string, stop: () => void) {
    this.#vault_id = vault_id;
    this.#direction = { bytes: 0, stop };
    const open = by_vault.get(vault_id);
    if (open === undefined) by_vault.set(vault_id, new Set([this.#direction]));
    else open.add(this.#direction);
  }

  /** So much more was sent that way. */
  sent(bytes: number): void {
    this.#direction.bytes += bytes;
    const open = [...(by_vault.get(this.#vault_id) ?? [])];
    if (open.reduce((sum, direction) => sum + direction.bytes, 0) <= BYTES) return;
    open.reduce((most, direction) => (direction.bytes > most.bytes ? direction : most)).stop();
  }

  /** The reader has said something: it is there. */
  heard(): void {
    this.#direction.bytes = 0;
  }

  ended(): void {
    const open = by_vault.get(this.#vault_id);
    open?.delete(this.#direction);
    if (open?.size === 0) by_vault.delete(this.#vault_id);
  }
}
