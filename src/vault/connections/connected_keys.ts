import type { Audit } from "../audit/audit.ts";
import type { Jobs } from "../jobs.ts";
import type { ApiKey } from "../keys/key.ts";
import type { Keys } from "../keys/keys.ts";
import type { Sealer, Secret } from "../keys/sealer.ts";
import type { Versions } from "../keys/versions.ts";
import { bindingOf, needsNobody, troubled } from "./connection.ts";
import { ASKING, blank, ConnectionRows, type Connection, type ConnectionEvent, type Row } from "./connection_rows.ts";
import { HeldTokens, type Access } from "./held_tokens.ts";
import { worthTrying } from "./renewal.ts";
import { grantIsGone, IDLE_RENEWAL_MS, LOOK_AFTER_MS, Renewals } from "./renewals.ts";
import type { Answered } from "./token_answer.ts";
import type { Grounds } from "./token_endpoint.ts";

type Parts = { sql: SqlStorage; sealer: Sealer; keys: Keys; versions: Versions; audit: Audit; jobs: Jobs };

/** So long a caller waits. The asking itself goes on: an answer that comes later serves whoever calls then. */
const CALLER_WAITS_MS = 10_000;

/** Keys that renew themselves: what they were granted, the access token for a call, and when it is renewed. */
export class ConnectedKeys {
  readonly #parts: Parts;
  readonly #rows: ConnectionRows;
  readonly #tokens: HeldTokens;
  readonly #renewals: Renewals;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#tokens = new HeldTokens(parts);
    this.#rows = new ConnectionRows(parts.sql, (key_id) => {
      this.#tokens.forget(key_id);
      parts.keys.changed();
    });
    this.#renewals = new Renewals(parts, this.#rows, this.#tokens);
  }

  /** Whatever was being asked when the object fell was answered to nobody, and is asked again at once. */
  wake(now: number): void {
    const lost = this.#rows.loseAnswers(this.#renewals.under_way);
    for (const key_id of lost) this.#rows.note(key_id, "interrupted", null, now);
    if (lost.length > 0) this.#parts.jobs.plan("renew", now);
  }

  find(key_id: string): Connection | undefined {
    return this.#rows.connection(key_id);
  }

  /** Newest first. */
  events(key_id: string): ConnectionEvent[] {
    return this.#rows.events(key_id);
  }

  /** A token that may be used now without waiting for anything. */
  atHand(key: ApiKey, stale: number | undefined): Access | undefined {
    const row = this.#rows.find(key.id);
    const access = this.#tokens.atHand(row);
    return row === undefined || access === undefined || this.#renewals.isDue(key, row, stale) ? undefined : access;
  }

  /** A live access token: the one that is held, or a new one. `stale` is the serial of one that the upstream has refused. */
  async access(key: ApiKey, stale: number | undefined): Promise<Access> {
    const row = this.#renewals.must(key);
    if (row.sealed !== null && !this.#renewals.isDue(key, row, stale)) return this.#open(row);
    try {
      await withinReason(this.#renewals.renew(key), key);
    } catch (refused) {
      // A token that still lives will do while the provider is in trouble, unless it is the one that was refused.
      const held = this.#rows.find(key.id);
      const lives = held?.sealed != null && (held.expires_at === null || held.expires_at > Date.now());
      if (!lives || held.serial === stale || held.state !== "connected") throw refused;
      return this.#open(held);
    }
    return this.#open(this.#renewals.must(key));
  }

  /** May a call whose token the upstream refuses try once more with a new one? Not where this one was only just obtained. */
  mayRenew(key: ApiKey, serial: number): boolean {
    const row = this.#rows.find(key.id);
    return row?.renewable === 1 && row.state === "connected" && this.#renewals.isDue(key, row, serial);
  }

  /** Redeems the code that a person brought back. */
  connect(key: ApiKey, grounds: Grounds & { by: "code" }, secret: Secret): Promise<Answered> {
    return this.#renewals.redeem(key, grounds, secret);
  }

  /**
   * The key has another version. What was granted for elsewhere is forgotten; a mended client tries again; and a version that
   * brings its own grounds (a refresh token, or a client that needs no person) begins afresh.
   */
  versionChanged(key: ApiKey, secret: Secret, now: number): void {
    const { placement } = key.destination;
    const row = this.#rows.find(key.id);
    if (placement.in !== "oauth") return this.forget(key.id, undefined, now);
    const binding = bindingOf(key.destination);
    if (needsNobody(placement) || secret.refresh_token !== undefined) {
      return this.#rows.write(key.id, { ...blank(now), state: "ready", binding, serial: (row?.serial ?? 0) + 1 });
    }
    if (row === undefined) return;
    if (row.binding !== binding) return this.forget(key.id, "goes elsewhere now", now);
    const mended = row.state === "reconnect_required" && !grantIsGone(row.trouble) && row.sealed !== null;
    this.#rows.write(key.id, {
      ...row,
      ...(mended ? { state: "connected", expires_at: now, trouble: null } : {}),
      failures: 0,
      retry_at: 0,
    });
  }

  /** Forgets what was granted. */
  forget(key_id: string, detail: string | undefined, now: number): void {
    if (this.#rows.find(key_id) === undefined) return;
    this.#rows.remove(key_id);
    this.#rows.note(key_id, "disconnected", detail ?? null, now);
  }

  /** What a key was granted, as it is stored. */
  row(key_id: string): Row | undefined {
    return this.#rows.find(key_id);
  }

  /** The refresh token that is held, else the access token: what a provider is told to revoke. Opened in its own time. */
  async lastToken(row: Row): Promise<string | undefined> {
    if (row.sealed === null) return undefined;
    const { refresh_token, access_token } = await this.#tokens.open(row);
    return refresh_token ?? access_token;
  }

  /** A key is back with the connection that it had: what is due about that is looked after again. */
  restored(key: ApiKey, now: number): void {
    if (this.#rows.find(key.id) === undefined) return;
    this.wake(now);
    this.#parts.jobs.plan("renew", now);
  }

  /** All tokens under the newest data key. */
  reseal(): Promise<void> {
    return this.#tokens.reseal();
  }

  resealed(row: Pick<Row, "key_id" | "serial" | "binding" | "sealed">): Promise<ArrayBuffer | undefined> {
    return this.#tokens.again(row);
  }

  /**
   * Renews ahead of their end the tokens of keys in use, now and then those of keys that are not, and at once where an answer
   * was lost: some providers give it again for a while.
   */
  async renewDue(now: number): Promise<void> {
    const { keys, jobs } = this.#parts;
    for (const key_id of this.#rows.connected()) {
      const [key, row] = [keys.find(key_id), this.#rows.find(key_id)];
      if (key === undefined || row?.renewable !== 1 || key.paused_at !== null) continue;
      if (this.#renewals.under_way.includes(key_id)) {
        jobs.plan("renew", now + LOOK_AFTER_MS);
        continue;
      }
      const used = (key.last_used_at ?? 0) > row.obtained_at || now - row.obtained_at >= IDLE_RENEWAL_MS;
      const wanted = row.asking === ASKING.lost || (used && this.#renewals.isDue(key, row, undefined));
      if (wanted && worthTrying(row.failures)) await this.#renewals.renew(key).catch(() => {});
      else this.#renewals.plan(key, row);
    }
  }

  async #open(row: Row): Promise<Access> {
    const { access_token } = await this.#tokens.open(row);
    const access = { serial: row.serial, secret: { secret: access_token } };
    if (this.#rows.find(row.key_id)?.serial === row.serial) this.#tokens.remember(row.key_id, access);
    return access;
  }
}

/** What comes of it, or that it takes too long. */
async function withinReason(renewal: Promise<void>, key: ApiKey): Promise<void> {
  let timer: ReturnType<typeof setTimeout> | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(() => reject(troubled(key, 1_000)), CALLER_WAITS_MS);
  });
  await Promise.race([renewal, late]).finally(() => clearTimeout(timer));
}
