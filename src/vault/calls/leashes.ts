import { sha256 } from "../../crypto/digest.ts";
import type { Connection } from "partyserver";

/** The close code that means: the decision no longer stands. Any other end of a leash is asked again (SECURITY S6). */
export const CUT = 4001;

/** The rule of a leash that is cut before it is known whose it is: no row was ended. Every other cut has ended its call's. */
export const UNKNOWN_LEASE = "lease";

/** A leash that its router has opened again. */
const REPLACED = 1000;

/** What a leash's connection remembers through hibernation. */
export type LeashState = { seq: number; token_id: string; status?: number | undefined };

/** The part of partyserver's `Server` that leashes need. Not every open connection is a leash. */
export type Connections = { getConnections(tag?: string): Iterable<Connection> };

/** Until when a decision stands (epoch ms, null for ever), and what expires then: the token, or only the key. */
export type Term = { not_after: number | null; expiry_rule: "expired" | "key_expired" };

/** What a cut achieved within the time a receipt waits. */
export type Cut = { streams_cut: number; unacknowledged: number };

const PER_TOKEN = 1_000;
const PER_VAULT = 10_000;
/** Rows ended in one step, which is one commit. */
const A_STEP = 32;
/** Leashes told before others have their turn: so few that these wait some milliseconds, so many that ever so many are told soon. */
const [A_TURN, TURNS] = [4, 250];
const ACKNOWLEDGED_WITHIN_MS = 1_000;
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
  readonly #ending = new Map<string, PromiseWithResolvers<void>>();
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

  /** A connection ended. Tells whoever waits for it that the router has let go; true where it was told to, so that its call has ended. */
  closed(connection: Connection<LeashState>): boolean {
    const token_id = connection.state?.token_id;
    if (this.#per_token !== undefined && token_id !== undefined) {
      this.#per_token.set(token_id, Math.max(0, (this.#per_token.get(token_id) ?? 0) - 1));
      this.#total = Math.max(0, this.#total - 1);
    }
    const ending = this.#ending.get(connection.id);
    if (ending === undefined) return false;
    this.#ending.delete(connection.id);
    ending.resolve();
    return true;
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
    return this.#each(open.filter(isLeash), ({ state, readyState }) => {
      if (readyState !== WebSocket.READY_STATE_OPEN) return { ends: rule };
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
   * Decides about each leash, some a step, and tells their routers, a few a turn so that the vault goes on answering; then waits
   * up to a second for the routers of those that end to say that both sides are closed.
   */
  async #each(
    open: readonly Connection<LeashState>[],
    decide: (connection: Connection<LeashState>) => Word | undefined,
  ): Promise<Cut> {
    let acknowledged = 0;
    const answers: Promise<void>[] = [];
    const a_turn = Math.min(A_STEP, Math.max(A_TURN, Math.ceil(open.length / TURNS)));
    for (let step = 0; step < open.length; step += A_STEP) {
      const words = open.slice(step, step + A_STEP).map((connection) => ({ connection, word: decide(connection) }));
      for (const { connection, word } of words)
        if (word !== undefined && "ends" in word)
          answers.push(this.#end(connection.id).then(() => void acknowledged++));
      for (let turn = 0; turn < words.length; turn += a_turn) {
        for (const { connection, word } of words.slice(turn, turn + a_turn)) tell(connection, word);
        if (step + turn + a_turn < open.length) await scheduler.wait(0);
      }
    }
    if (answers.length > 0) await Promise.race([Promise.all(answers), scheduler.wait(ACKNOWLEDGED_WITHIN_MS)]);
    return { streams_cut: acknowledged, unacknowledged: answers.length - acknowledged };
  }

  /** The connections of any of these tags, each once. */
  #tagged(tags: readonly string[]): Connection[] {
    const found = new Map<string, Connection>();
    for (const tag of tags)
      for (const connection of this.#connections.getConnections(tag)) found.set(connection.id, connection);
    return [...found.values()];
  }

  /** Resolves when the connection has ended. */
  #end(id: string): Promise<void> {
    let ending = this.#ending.get(id);
    if (ending === undefined) this.#ending.set(id, (ending = Promise.withResolvers()));
    return ending.promise;
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

/** What a leash's router is told. One that ends may have been told by somebody else already. */
type Word = { ends: string } | { says: Term };

function tell(connection: Connection<LeashState>, word: Word | undefined): void {
  if (word === undefined || connection.readyState !== WebSocket.READY_STATE_OPEN) return;
  if ("ends" in word) connection.close(CUT, word.ends);
  else connection.send(JSON.stringify(word.says));
}

/** One that is still being opened has no state yet, and is a leash: nothing else is cut while it opens. */
function isLeash(connection: Connection): connection is Connection<LeashState> {
  return connection.state === null || (connection.state as Partial<LeashState>).seq !== undefined;
}
