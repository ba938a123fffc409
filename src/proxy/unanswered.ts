/** How much one side of a vault's WebSockets may be sent before it says something, over all of them in this isolate. */
const BYTES = 32 * 1024 * 1024;

/** So much may lie in the network's own buffers. */
const LITTLE_BYTES = 4 * 1024 * 1024;

/** One direction of a WebSocket. `stop` asks it to close; `drop` ends it there and then, with what waits for its reader. */
type Direction = { bytes: number; stop: () => void; drop: () => void };

/** Directions whose readers may come to speak, and those that were told to close and have not yet. */
type Ways = { open: Set<Direction>; leaving: Set<Direction> };

/**
 * What is on its way to readers that have said nothing since. The runtime neither tells how much of a WebSocket waits for its
 * reader nor lets a sender wait, so a reader that stops is told from one that reads by its words alone: all that was sent since
 * the last one may still wait in memory. Past the bound the one that has let most pass is told to close; it may come back. Who
 * has not taken the close when others need the room is dropped: so what waits is at most twice the bound (CONTRACT §4). Bytes
 * only, no token and no content.
 */
const by_vault = new Map<string, Ways>();

/** One direction of one WebSocket. */
export class Unanswered {
  readonly #vault_id: string;
  readonly #direction: Direction;

  /** Both are called in the invocation that made this, whoever finds that it has to go: sockets are nobody else's to touch. */
  constructor(vault_id: string, stop: () => void, drop: () => void) {
    this.#vault_id = vault_id;
    const [stopped, dropped] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()];
    void stopped.promise.then(stop);
    void dropped.promise.then(drop);
    this.#direction = { bytes: 0, stop: stopped.resolve, drop: dropped.resolve };
    const ways = by_vault.get(vault_id);
    if (ways === undefined) by_vault.set(vault_id, { open: new Set([this.#direction]), leaving: new Set() });
    else ways.open.add(this.#direction);
  }

  /** So much more is to be sent that way. False where that is too much: it closes instead. */
  maySend(bytes: number): boolean {
    const ways = by_vault.get(this.#vault_id);
    if (ways?.open.has(this.#direction) !== true) return false;
    this.#direction.bytes += bytes;
    const open = [...ways.open];
    if (total(open) <= BYTES) return true;
    const most = open.reduce((one, other) => (other.bytes > one.bytes ? other : one));
    letLeave(ways, most);
    most.stop();
    return most !== this.#direction;
  }

  /** May there be more that waits for the reader than a socket's buffers hold? */
  get hasMuch(): boolean {
    return this.#direction.bytes > LITTLE_BYTES;
  }

  /** The reader has said something: it is there. */
  heard(): void {
    this.#direction.bytes = 0;
  }

  /** It closes for another reason; what was sent may still wait. */
  leaves(): void {
    const ways = by_vault.get(this.#vault_id);
    if (ways?.open.has(this.#direction) === true) letLeave(ways, this.#direction);
  }

  /** The socket is gone, and what waited with it. */
  ended(): void {
    const ways = by_vault.get(this.#vault_id);
    ways?.open.delete(this.#direction);
    ways?.leaving.delete(this.#direction);
    if (ways !== undefined && ways.open.size + ways.leaving.size === 0) by_vault.delete(this.#vault_id);
  }
}

function letLeave({ open, leaving }: Ways, direction: Direction): void {
  if (total(leaving) + direction.bytes > BYTES) {
    for (const each of leaving) each.drop();
    leaving.clear();
  }
  open.delete(direction);
  leaving.add(direction);
}

function total(directions: Iterable<Direction>): number {
  let bytes = 0;
  for (const direction of directions) bytes += direction.bytes;
  return bytes;
}
