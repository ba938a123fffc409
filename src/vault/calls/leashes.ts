import { sha256 } from "../../crypto/digest.ts";
import type { Connection } from "partyserver";
import { close, CUT, type LeashState, type Term, type Word } from "./telling.ts";
import { tellInTurns, within } from "./turns.ts";

/** The rule of a leash that is cut before it is known whose it is: no row was ended. Every other cut has ended its call's. */
export const UNKNOWN_LEASE = "lease";

/** A leash that its router has opened again. */
const REPLACED = 1000;

/** The part of partyserver's `Server` that leashes need. Not every open connection is a leash. */
export type Connections = { getConnections(tag?: string): Iterable<Connection> };

/** What a cut achieved within the time a receipt waits. */
export type Cut = { streams_cut: number; unacknowledged: number };

const PER_TOKEN = 1_000;
const PER_VAULT = 10_000;
const ACKNOWLEDGED_WITHIN_MS = 1_000;
/** Who was cut by a word to its router is told by its own leash too, once nobody has let go between two looks, and by then in any case: a router that has much to end is not deaf. */
const A_LOOK_MS = 250;
const INSIST_BY_MS = 750;
const COUNT_AGAIN_MS = 1_000;

/** Tags of a connection: cutting is by token, by who minted it, by key or for the whole vault, live feeds too. */
export const tagOf = {
  all: "open",
  live: "live",
  question: (id: string) => `q:${id}`,
  token: (id: string) => `t:${id}`,
  generation: (id: string, generation: number) => `g:${id}:${generation}`,
  /** By who minted its token: a token, a device or a grant. */
  mintedBy: (id: string) => `m:${id}`,
  key: (id: string) => `k:${id}`,
  seq: (seq: number) => `s:${seq}`,
} as const;

/** A lease: 128 random bits that open one leash. Only its hash is stored. */
export function newLease(): { lease: string; hash: string } {
  const lease = crypto.getRandomValues(Buffer.alloc(16)).toString("base64url");
  return { lease, hash: leaseHash(lease) };
}

export function leaseHash(lease: string): string {
  return sha256(lease);
}

/**
 * The open leashes of a vault: hibernating connections from routers that are carrying something. They outlive the object's
 * memory, so what is counted here is counted afresh after a wake.
 */
export class Leashes {
  readonly #connections: Connections;
  /** Connections that were told to end, until they have: two cuts at once may wait for the same one. */
  readonly #ending = new Map<WebSocket, PromiseWithResolvers<void> & { token_id: string | undefined }>();
  #cutting = 0;
  #per_token: Map<string, number> | undefined;
  #total = 0;
  #counted_at = 0;

  constructor(connections: Connections) {
    this.#connections = connections;
  }

  /** May one more be opened for this token? */
  hasRoom(token_id: string): boolean {
    if (this.#isWithinCaps(token_id)) return true;
    // The platform does not tell of every end: before somebody is refused, what is really open is counted.
    if (Date.now() - this.#counted_at < COUNT_AGAIN_MS) return false;
    this.#per_token = undefined;
    return this.#isWithinCaps(token_id);
  }

  /** A connection now holds this call. One that held it before is lost, whether or not it knows. */
  opened(connection: Connection<LeashState>, { seq, token_id }: LeashState): void {
    const counts = this.#counts();
    counts.set(token_id, (counts.get(token_id) ?? 0) + 1);
    this.#total++;
    for (const other of this.#connections.getConnections(tagOf.seq(seq)))
      if (other.id !== connection.id) other.close(REPLACED, "replaced");
  }

  /** A connection ended. True where it was told to, so that its call has ended. */
  closed(connection: Connection<LeashState>): boolean {
    if (this.ended(connection)) return true;
    this.#uncount(connection.state?.token_id);
    return false;
  }

  /** A connection that was told to end has: the router has let go, and whoever waits for that hears of it. */
  ended(socket: WebSocket): boolean {
    const ending = this.#ending.get(socket);
    if (ending === undefined) return false;
    this.#ending.delete(socket);
    this.#uncount(ending.token_id);
    ending.resolve();
    return true;
  }

  /** Are leashes being told to end? Whatever else can wait had better. */
  get isCutting(): boolean {
    return this.#cutting > 0;
  }

  /** Is anything open under a tag? */
  anyUnder(tag: string): boolean {
    for (const _ of this.#connections.getConnections(tag)) return true;
    return false;
  }

  /** Tells a word to whoever waits under a tag, and lets them go. */
  tell(tag: string, word: string): void {
    for (const connection of this.#connections.getConnections(tag)) {
      connection.send(word);
      connection.close(1000, word);
    }
  }

  /** Is anybody carrying this call? */
  holds(seq: number): boolean {
    for (const _ of this.#connections.getConnections(tagOf.seq(seq))) return true;
    return false;
  }

  /**
   * Cuts every leash of these tags, and closes what else is open under them. `onCut` ends the call's audit row.
   */
  cut(tags: readonly string[], rule: string, onCut: (state: LeashState) => void): Promise<Cut> {
    const open = this.#tagged(tags);
    for (const connection of open) if (!isLeash(connection)) connection.close(CUT, rule);
    return this.#each(open.filter(isLeash), (connection) => {
      const { state, readyState } = connection;
      if (this.#ending.has(connection)) return { ends: rule };
      if (readyState !== WebSocket.READY_STATE_OPEN) return undefined;
      if (state !== null) onCut(state);
      return { ends: state === null ? UNKNOWN_LEASE : rule };
    });
  }

  /** Judges again what is open under these tags: a rule cuts it, a term tells its router until when it stands now. */
  judge(
    tags: readonly string[],
    verdictOf: (seq: number) => Term | string | undefined,
    onCut: (state: LeashState, rule: string) => void,
  ): Promise<Cut> {
    return this.#each(this.#tagged(tags).filter(isLeash), ({ state, readyState }) => {
      const verdict = state === null || readyState !== WebSocket.READY_STATE_OPEN ? undefined : verdictOf(state.seq);
      if (state === null || verdict === undefined) return undefined;
      if (typeof verdict !== "string") return { says: verdict };
      onCut(state, verdict);
      return { ends: verdict };
    });
  }

  /**
   * Decides about each leash and tells their routers; then waits up to a second for the routers of those that end to let go. In the
   * end who has not is told by its own leash: what a router hears about others of its calls it may not get to them.
   */
  async #each(
    open: readonly Connection<LeashState>[],
    decide: (connection: Connection<LeashState>) => Word | undefined,
  ): Promise<Cut> {
    this.#cutting++;
    try {
      const told = await tellInTurns(open, { decide, end: (connection) => this.#end(connection) });
      const all = Promise.all(told.map(({ ended }) => ended));
      const left = () => told.filter(({ connection }) => this.#ending.has(connection));
      let last = left();
      for (let at = A_LOOK_MS; last.length > 0 && at <= ACKNOWLEDGED_WITHIN_MS; at += A_LOOK_MS) {
        await within(A_LOOK_MS, all);
        const now = left();
        if (now.length === last.length || at >= INSIST_BY_MS)
          for (const { connection, rule } of now) close(connection, rule);
        last = now;
      }
      return { streams_cut: told.length - last.length, unacknowledged: last.length };
    } finally {
      this.#cutting--;
    }
  }

  /** The connections of any of these tags, each once. */
  #tagged(tags: readonly string[]): Connection[] {
    const found = new Map<string, Connection>();
    for (const tag of tags)
      for (const connection of this.#connections.getConnections(tag)) found.set(connection.id, connection);
    return [...found.values()];
  }

  /** Resolves when the connection has ended, which it may have since that was decided. */
  #end(connection: Connection<LeashState>): Promise<void> {
    let ending = this.#ending.get(connection);
    if (ending === undefined) {
      if (connection.readyState !== WebSocket.READY_STATE_OPEN) return Promise.resolve();
      ending = { ...Promise.withResolvers<void>(), token_id: connection.state?.token_id };
      this.#ending.set(connection, ending);
    }
    return ending.promise;
  }

  #uncount(token_id: string | undefined): void {
    if (this.#per_token === undefined || token_id === undefined) return;
    this.#per_token.set(token_id, Math.max(0, (this.#per_token.get(token_id) ?? 0) - 1));
    this.#total = Math.max(0, this.#total - 1);
  }

  #isWithinCaps(token_id: string): boolean {
    const counts = this.#counts();
    return this.#total < PER_VAULT && (counts.get(token_id) ?? 0) < PER_TOKEN;
  }

  #counts(): Map<string, number> {
    if (this.#per_token !== undefined) return this.#per_token;
    this.#per_token = new Map();
    this.#total = 0;
    this.#counted_at = Date.now();
    for (const connection of this.#connections.getConnections(tagOf.all)) {
      const token_id = isLeash(connection) ? connection.state?.token_id : undefined;
      if (token_id === undefined) continue;
      this.#per_token.set(token_id, (this.#per_token.get(token_id) ?? 0) + 1);
      this.#total++;
    }
    return this.#per_token;
  }
}

/** One that is still being opened has no state yet, and is a leash: nothing else is cut while it opens. */
function isLeash(connection: Connection): connection is Connection<LeashState> {
  return connection.state === null || (connection.state as Partial<LeashState>).seq !== undefined;
}
