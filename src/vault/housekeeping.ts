import type { Anomalies } from "./alerts/anomalies.ts";
import type { Audit } from "./audit/audit.ts";
import type { Tallies } from "./audit/tallies.ts";
import type { ConnectedKeys } from "./connections/connected_keys.ts";
import type { Idempotency } from "./idempotency.ts";
import type { Grants } from "./tokens/grants.ts";
import type { JobName, Jobs } from "./jobs.ts";
import type { Keys } from "./keys/keys.ts";
import type { Versions } from "./keys/versions.ts";
import type { McpSessions } from "./calls/mcp_sessions.ts";
import type { Leashes } from "./calls/leashes.ts";
import type { Live } from "./alerts/live.ts";
import { BATCH_ROWS, OtherRows, ship } from "./audit/outbox.ts";
import { recount } from "./audit/recount.ts";
import { KEEP_MS, PACK_AFTER_MS, retain } from "./audit/retention.ts";
import type { Refusals } from "./calls/refusals.ts";
import type { Regrets } from "./tokens/regrets.ts";
import type { Sealer } from "./keys/sealer.ts";
import type { Tokens } from "./tokens/tokens.ts";
import { emptyTrash } from "./keys/empty_trash.ts";
import { UNCLAIMED_MS, type UnderWay } from "./calls/under_way.ts";

type Parts = {
  db: D1Database;
  vault_id: string;
  storage: DurableObjectStorage;
  audit: Audit;
  tallies: Tallies;
  under_way: UnderWay;
  tokens: Tokens;
  grants: Grants;
  keys: Keys;
  versions: Versions;
  connected_keys: ConnectedKeys;
  sealer: Sealer;
  jobs: Jobs;
  refusals: Refusals;
  leashes: Leashes;
  live: Live;
  anomalies: Anomalies;
  idempotency: Idempotency;
  /** Tells what ends soon. */
  watch: () => void;
  /** Sends what is due to the next webhook. */
  deliver: (now: number) => Promise<void>;
  /** Seals anew what an older data key has sealed. */
  reseal: (now: number) => Promise<void>;
  /** D1 knows other rows than ours: a restore has put this vault back. */
  catchUp: () => Promise<unknown>;
  mcp_sessions: McpSessions;
  regrets: Regrets;
};

const LOOK_AGAIN_MS = 5 * 60_000;
const RETRY_BLOBS_MS = 60 * 60_000;
/** Calls go before: on one machine D1 stands on the vault's own thread. */
const RECOUNT_PAUSE_MS = 100;
const AFTER_CUTS_MS = 1_000;
const WATCH_MS = 24 * 60 * 60_000;

/** What a vault does when nobody asks: ship the audit rows, end abandoned calls, let go of blobs that KV surely has. */
export class Housekeeping {
  /** A colo may not see a new KV name yet; after a day it surely does (SECURITY S27). */
  static readonly KEEP_BLOBS_MS = 24 * 60 * 60_000;

  readonly #parts: Parts;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  readonly handlers: Record<JobName, (now: number) => Promise<void> | void> = {
    ship: (now) => this.#ship(now),
    interrupt: (now) => this.#interrupt(now),
    release_blobs: (now) => this.#releaseBlobs(now),
    count_refusals: (now) => this.#parts.refusals.flush(now),
    forget_answers: (now) => this.#parts.idempotency.expire(now),
    retain: (now) => this.#retain(now),
    recount: () => this.#recount(),
    expire_feeds: () => this.#parts.live.expire(),
    renew: (now) => (this.#parts.tokens.frozen === null ? this.#parts.connected_keys.renewDue(now) : undefined),
    watch: () => this.#parts.watch(),
    deliver: (now) => this.#parts.deliver(now),
    reseal: (now) => this.#parts.reseal(now),
    end_sessions: (now) => this.#parts.mcp_sessions.expire(now),
    empty_trash: (now) => this.#emptyTrash(now),
  };

  /** A leash ended. If its call is not settled, a router may come back for it within the time it has. */
  letGo(seq: number): void {
    const { under_way, leashes, jobs } = this.#parts;
    const now = Date.now();
    // The one that ended may be one that was replaced.
    if (!leashes.holds(seq) && under_way.letGo(seq, now)) jobs.plan("interrupt", now + UNCLAIMED_MS);
  }

  /**
   * A crash or a deploy drops leashes without a word. Whoever held one may come back; who does not is given up in 15 s, so
   * that it holds no place of its token's for longer (CONTRACT §3, `max_concurrent`).
   */
  wake(): void {
    const { under_way, leashes, connected_keys, tallies, jobs } = this.#parts;
    connected_keys.wake(Date.now());
    if (tallies.uncounted !== undefined) jobs.plan("recount", Date.now());
    for (const { seq, unclaimed_at } of under_way.all())
      if (unclaimed_at === null && !leashes.holds(seq)) this.letGo(seq);
  }

  async #emptyTrash(now: number): Promise<void> {
    const { storage, sealer, connected_keys, jobs, regrets } = this.#parts;
    const emptied = await emptyTrash({ sql: storage.sql, sealer, connected_keys }, now);
    for (const again of [regrets.expire(now), emptied]) if (again !== undefined) jobs.plan("empty_trash", again);
  }

  async #retain(now: number): Promise<void> {
    const { db, vault_id, jobs, tallies } = this.#parts;
    tallies.forget(now - KEEP_MS);
    const again = await retain(db, vault_id, now);
    if (again !== null) jobs.plan("retain", again);
  }

  async #recount(): Promise<void> {
    const { db, vault_id, storage, audit, tallies, jobs } = this.#parts;
    if (await recount(db, vault_id, storage, audit, tallies)) jobs.plan("recount", Date.now() + RECOUNT_PAUSE_MS);
  }

  async #ship(now: number): Promise<void> {
    const { db, vault_id, storage, audit, jobs, anomalies, leashes } = this.#parts;
    // Its rows come by the thousand, and what ships them is the time in which others are answered.
    if (leashes.isCutting) return jobs.plan("ship", now + AFTER_CUTS_MS);
    anomalies.save(now);
    const shipped = await ship(db, vault_id, storage, audit, this.#parts).catch(async (fault: unknown) => {
      if (!(fault instanceof OtherRows)) throw fault;
      await this.#parts.catchUp();
      throw fault;
    });
    if (shipped.rows > 0) jobs.plan("retain", now + PACK_AFTER_MS);
    // Whatever was given an end has left a row, and it is not one of a call: those come by the thousand, and keys would be looked through for each batch.
    if (shipped.rows > 0) jobs.plan("watch", shipped.managed ? now : now + WATCH_MS);
    if (shipped.rows === BATCH_ROWS && audit.whole(1).length > 0) jobs.plan("ship", now);
  }

  /** Ends calls that nobody carries any more, and plans to look again at the rest. */
  #interrupt(now: number): void {
    const { audit, under_way, leashes, jobs } = this.#parts;
    for (const { seq, unclaimed_at } of under_way.all()) {
      if (unclaimed_at === null && leashes.holds(seq)) jobs.plan("interrupt", now + LOOK_AGAIN_MS);
      // A deploy or a crash drops leashes without a word, and routers need time to come back: it counts from now.
      else if (unclaimed_at === null) this.letGo(seq);
      else if (now - unclaimed_at >= UNCLAIMED_MS) audit.interrupt(seq, now);
      else jobs.plan("interrupt", unclaimed_at + UNCLAIMED_MS);
    }
  }

  async #releaseBlobs(now: number): Promise<void> {
    const { versions, sealer, jobs } = this.#parts;
    const { due, next } = versions.keptBlobs(now - Housekeeping.KEEP_BLOBS_MS);
    let kept = false;
    for (const { key_id, version } of due) {
      if (await sealer.hasSpread(key_id, version)) versions.releaseBlob(key_id, version);
      else kept = true;
    }
    if (kept) jobs.plan("release_blobs", now + RETRY_BLOBS_MS);
    else if (due.length > 0) jobs.plan("release_blobs", now);
    else if (next !== null) jobs.plan("release_blobs", next + Housekeeping.KEEP_BLOBS_MS);
  }
}
