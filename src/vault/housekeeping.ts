import type { Audit } from "./audit.ts";
import type { JobName, Jobs } from "./jobs.ts";
import type { Keys } from "./keys.ts";
import type { Leashes } from "./leashes.ts";
import { BATCH_ROWS, ship } from "./outbox.ts";
import type { Refusals } from "./refusals.ts";
import type { Sealer } from "./sealer.ts";
import type { Tokens } from "./tokens.ts";

type Parts = {
  db: D1Database;
  vault_id: string;
  storage: DurableObjectStorage;
  audit: Audit;
  tokens: Tokens;
  keys: Keys;
  sealer: Sealer;
  jobs: Jobs;
  refusals: Refusals;
  leashes: Leashes;
};

/** A call that nobody settled and nobody holds a leash for is given this long (SECURITY S6). */
const UNCLAIMED_MS = 15_000;
const LOOK_AGAIN_MS = 5 * 60_000;
const RETRY_BLOBS_MS = 60 * 60_000;

/** What a vault does when nobody asks: ship the audit rows, end abandoned calls, let go of blobs that KV surely has. */
export class Housekeeping {
  /** A colo may not see a new KV name yet; after a day it surely does (SECURITY S27). */
  static readonly KEEP_BLOBS_MS = 24 * 60 * 60_000;

  readonly #parts: Parts;
  readonly #woken_at = Date.now();
  readonly #let_go = new Map<number, number>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  readonly handlers: Record<JobName, (now: number) => Promise<void> | void> = {
    ship: (now) => this.#ship(now),
    release_blobs: (now) => this.#releaseBlobs(now),
    count_refusals: (now) => this.#parts.refusals.flush(now),
  };

  /** A leash ended. If its call is not settled, a router may come back for it within the time it has. */
  letGo(seq: number): void {
    const now = Date.now();
    this.#let_go.set(seq, now);
    this.#parts.jobs.plan("ship", now + UNCLAIMED_MS);
  }

  async #ship(now: number): Promise<void> {
    const { db, vault_id, storage, audit, tokens, keys, jobs } = this.#parts;
    const look_again = this.#interrupt(now);
    const shipped = await ship(db, vault_id, storage, audit, tokens, keys);
    if (shipped === BATCH_ROWS) jobs.plan("ship", now);
    else if (look_again !== undefined) jobs.plan("ship", look_again);
  }

  /** Ends calls that nobody carries any more; says when to look again at the rest. */
  #interrupt(now: number): number | undefined {
    const { audit, leashes } = this.#parts;
    let look_again: number | undefined;
    for (const { seq, decision } of audit.pending()) {
      const held = leashes.holds(seq);
      // A deploy or a crash drops every leash at once, and routers need time to come back: count from the wake at the earliest.
      const since = Math.max(Date.parse(decision.at), this.#woken_at, this.#let_go.get(seq) ?? 0);
      if (!held && now - since >= UNCLAIMED_MS) audit.settle(seq, { outcome: "interrupted" }, now);
      else look_again = Math.min(look_again ?? Infinity, held ? now + LOOK_AGAIN_MS : since + UNCLAIMED_MS);
    }
    for (const [seq, at] of this.#let_go) if (now - at > UNCLAIMED_MS) this.#let_go.delete(seq);
    return look_again;
  }

  async #releaseBlobs(now: number): Promise<void> {
    const { keys, sealer, jobs } = this.#parts;
    const { due, next } = keys.keptBlobs(now - Housekeeping.KEEP_BLOBS_MS);
    let kept = false;
    for (const { key_id, version } of due) {
      if (await sealer.hasSpread(key_id, version)) keys.releaseBlob(key_id, version);
      else kept = true;
    }
    if (kept) jobs.plan("release_blobs", now + RETRY_BLOBS_MS);
    else if (due.length > 0) jobs.plan("release_blobs", now);
    else if (next !== null) jobs.plan("release_blobs", next + Housekeeping.KEEP_BLOBS_MS);
  }
}
