import { utf8 } from "../../crypto/encoding.ts";
import { Problem } from "../../problem.ts";
import type { Audit } from "../audit/audit.ts";
import {
  about,
  bindingOf,
  BY_VAULT,
  groundsOf,
  needsNobody,
  placementOf,
  reconnect,
  sealName,
  troubled,
} from "./connection.ts";
import { blank, ConnectionRows, type Connection, type ConnectionEvent, type Row } from "./connection_rows.ts";
import type { Jobs } from "../jobs.ts";
import type { ApiKey, Keys } from "../keys/keys.ts";
import { backoffMs, expiryOf, isDue, renewAt, worthTrying } from "./renewal.ts";
import type { Sealer, Secret } from "../keys/sealer.ts";
import { askForTokens, type Answered, type Granted, type Grounds } from "./token_endpoint.ts";
import { Turns } from "../turns.ts";

/** An access token as a call needs it. `serial` tells it from those before and after. */
export type Access = { secret: Secret; serial: number };

type Tokens = { access_token: string; refresh_token?: string | undefined };
type Parts = { sql: SqlStorage; sealer: Sealer; keys: Keys; audit: Audit; jobs: Jobs };

const REMEMBERED = 200;
/** A token endpoint is asked by so many at a time: the vault's connections are few (reference/review.md). */
const AT_ONCE = 2;
/** A grant that nobody uses is renewed now and then, since many providers let an idle one die. */
const IDLE_RENEWAL_MS = 30 * 86_400_000;

/**
 * Keys that renew themselves. One renewal of a key at a time, recorded before it
 * asks; a new refresh token is durable before the old one is forgotten and before the new access token is used.
 */
export class ConnectedKeys {
  readonly #parts: Parts;
  readonly #rows: ConnectionRows;
  readonly #under_way = new Map<string, Promise<void>>();
  readonly #opened = new Map<string, Access>();
  readonly #turns = new Turns(AT_ONCE);

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#rows = new ConnectionRows(parts.sql);
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
    const access = this.#opened.get(key.id);
    const row = access === undefined ? undefined : this.#rows.find(key.id);
    if (access === undefined || row?.serial !== access.serial || this.#isDue(key, row, stale)) return undefined;
    return access;
  }

  /** A live access token: the one that is held, or a new one. `stale` is the serial of one that the upstream has refused. */
  async access(key: ApiKey, stale: number | undefined): Promise<Access> {
    const row = this.#must(key);
    if (row.sealed !== null && !this.#isDue(key, row, stale)) return this.#open(key, row);
    try {
      await this.renew(key);
    } catch (refused) {
      // A token that still lives will do while the provider is in trouble, unless it is the one that was refused.
      const held = this.#rows.find(key.id);
      const lives = held?.sealed != null && (held.expires_at === null || held.expires_at > Date.now());
      if (!lives || held.serial === stale || held.state !== "connected") throw refused;
      return this.#open(key, held);
    }
    return this.#open(key, this.#must(key));
  }

  /** May a call whose token the upstream refuses try once more with a new one? Not where this one was only just obtained. */
  mayRenew(key: ApiKey, serial: number): boolean {
    const row = this.#rows.find(key.id);
    return row?.renewable === 1 && row.state === "connected" && this.#isDue(key, row, serial);
  }

  /** Has a new access token from the provider. Whoever asks while it is under way waits for the same one. */
  renew(key: ApiKey): Promise<void> {
    let renewal = this.#under_way.get(key.id);
    if (renewal === undefined) {
      renewal = this.#renew(key).finally(() => this.#under_way.delete(key.id));
      this.#under_way.set(key.id, renewal);
    }
    return renewal;
  }

  /** Redeems the code that a person brought back; tokens that were held before are forgotten once the new ones are durable. */
  async connect(key: ApiKey, grounds: Grounds & { by: "code" }, secret: Secret): Promise<Answered> {
    const answered = await this.#turns.take(() => askForTokens(placementOf(key), secret, grounds, Date.now()));
    if (answered.outcome === "granted")
      await this.#store(key, this.#rows.find(key.id), answered, undefined, "connected");
    return answered;
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
      return this.#write(key.id, { ...blank(now), state: "ready", binding, serial: (row?.serial ?? 0) + 1 });
    }
    if (row === undefined) return;
    if (row.binding !== binding) return this.forget(key.id, "goes elsewhere now", now);
    const mended = row.state === "reconnect_required" && row.trouble !== "invalid_grant" && row.sealed !== null;
    this.#write(key.id, {
      ...row,
      ...(mended ? { state: "connected", expires_at: now, trouble: null } : {}),
      failures: 0,
      retry_at: 0,
    });
  }

  /** Forgets what was granted. */
  forget(key_id: string, detail: string | undefined, now: number): void {
    const { keys } = this.#parts;
    if (this.#rows.find(key_id) === undefined) return;
    this.#rows.remove(key_id);
    this.#opened.delete(key_id);
    keys.changed();
    this.#rows.note(key_id, "disconnected", detail ?? null, now);
  }

  /** The refresh token that is held, else the access token: what a provider is told to revoke. Opened in its own time. */
  async lastToken(key: ApiKey): Promise<string | undefined> {
    const row = this.#rows.find(key.id);
    if (row?.sealed == null) return undefined;
    const { refresh_token, access_token } = await this.#tokens(key, row);
    return refresh_token ?? access_token;
  }

  /** Renews ahead of their end the tokens of keys in use, and now and then those of keys that are not. */
  async renewDue(now: number): Promise<void> {
    const { keys } = this.#parts;
    for (const key_id of this.#rows.connected()) {
      const [key, row] = [keys.find(key_id), this.#rows.find(key_id)];
      if (key === undefined || row?.renewable !== 1 || key.paused_at !== null) continue;
      const used = (key.last_used_at ?? 0) > row.obtained_at || now - row.obtained_at >= IDLE_RENEWAL_MS;
      if (used && this.#isDue(key, row, undefined) && worthTrying(row.failures)) await this.renew(key).catch(() => {});
      else this.#plan(key, row);
    }
  }

  async #renew(key: ApiKey): Promise<void> {
    const { audit, sealer, keys } = this.#parts;
    const now = Date.now();
    const row = this.#must(key);
    if (row.retry_at > now) throw troubled(key, row.retry_at - now);
    // Recorded before the client's secret leaves (DESIGN D2): the object's own fetch waits until this is durable.
    const { seq } = audit.append({ ...BY_VAULT, action: "connection.renew", ...about(key) }, now);
    let answered: Answered;
    let before: string | undefined;
    try {
      const secret = sealer.remembered(key) ?? (await sealer.open(key, keys.sealedBlob(key.id, key.version)));
      before = row.sealed === null ? secret.refresh_token : (await this.#tokens(key, row)).refresh_token;
      const grounds = groundsOf(placementOf(key), before);
      answered =
        grounds === undefined
          ? { outcome: "refused", error: "no_refresh_token" }
          : await this.#turns.take(() => askForTokens(placementOf(key), secret, grounds, now));
      if (answered.outcome === "granted") await this.#store(key, row, answered, before, "renewed");
    } catch (fault) {
      audit.settle(seq, { outcome: "failed", rule: "unavailable" }, Date.now());
      throw fault;
    }
    if (answered.outcome === "granted") return audit.settle(seq, { outcome: "ok" }, Date.now());
    audit.settle(seq, { outcome: "failed", rule: answered.error }, Date.now());
    throw this.#failed(key, row, answered);
  }

  /** Seals all tokens of providers under the newest data key. One that is renewed meanwhile is so by itself. */
  async reseal(): Promise<void> {
    const { sql, sealer } = this.#parts;
    const rows = sql
      .exec<{ key_id: string; serial: number; binding: string; sealed: ArrayBuffer }>(
        "SELECT key_id, serial, binding, sealed FROM connection WHERE sealed IS NOT NULL",
      )
      .toArray();
    for (const { key_id, serial, binding, sealed } of rows) {
      if (!sealer.isOld(new Uint8Array(sealed))) continue;
      const name = sealName(key_id, serial, binding);
      const again = await sealer.sealValue(name, new Uint8Array(await sealer.openValue(name, new Uint8Array(sealed))));
      sql.exec("UPDATE connection SET sealed = ? WHERE key_id = ? AND serial = ?", again, key_id, serial);
    }
  }

  /** Old and new change places in one step, unless something else has happened to the connection meanwhile. */
  async #store(
    key: ApiKey,
    row: Row | undefined,
    granted: Granted,
    before: string | undefined,
    what: "connected" | "renewed",
  ): Promise<void> {
    const { sealer, keys } = this.#parts;
    const binding = bindingOf(key.destination);
    const serial = (row?.serial ?? 0) + 1;
    const { access_token, refresh_token = before } = granted;
    const sealed = await sealer.sealValue(
      sealName(key.id, serial, binding),
      utf8(JSON.stringify({ access_token, refresh_token })),
    );
    const now = Date.now();
    const current = keys.find(key.id);
    if (
      current === undefined ||
      bindingOf(current.destination) !== binding ||
      this.#rows.find(key.id)?.serial !== row?.serial
    )
      throw new Problem("conflict", `${key.name} was changed meanwhile. Try again.`);
    const renewable = refresh_token !== undefined || needsNobody(placementOf(key));
    const stored: Row = {
      ...blank(now),
      key_id: key.id,
      state: "connected",
      binding,
      serial,
      sealed: new Uint8Array(sealed).buffer,
      expires_at: expiryOf(granted.expires_in_s, renewable, now),
      renewable: renewable ? 1 : 0,
      scopes: granted.scopes ?? row?.scopes ?? null,
      connected_at: what === "connected" ? now : (row?.connected_at ?? now),
      renewals: what === "connected" ? 0 : (row?.renewals ?? 0) + 1,
    };
    this.#write(key.id, stored);
    this.#remember(key.id, { serial, secret: { secret: access_token } });
    this.#rows.note(key.id, what, null, now);
    this.#plan(key, stored);
  }

  #failed(key: ApiKey, row: Row, answered: Exclude<Answered, { outcome: "granted" }>): Problem {
    const { audit } = this.#parts;
    const now = Date.now();
    const current = this.#rows.find(key.id);
    if (current?.serial !== row.serial) return troubled(key, 1_000);
    if (answered.outcome === "refused") {
      this.#write(key.id, { ...current, state: "reconnect_required", trouble: answered.error });
      this.#rows.note(key.id, "reconnect_required", answered.error, now);
      const event = { ...BY_VAULT, action: "connection.lost", outcome: "ok", rule: answered.error } as const;
      audit.append({ ...event, ...about(key) }, now);
      return reconnect(key);
    }
    const failures = current.failures + 1;
    const wait = backoffMs(failures, answered.retry_after_s);
    this.#write(key.id, { ...current, failures, retry_at: now + wait, trouble: answered.error });
    this.#rows.note(key.id, "failed", answered.error, now);
    if (worthTrying(failures)) this.#parts.jobs.plan("renew", now + wait);
    return troubled(key, wait);
  }

  #isDue(key: ApiKey, row: Row, stale: number | undefined): boolean {
    // Without anything to renew it by, a token is used to its very end, and a refusal says nothing: it may be about the call.
    if (row.renewable === 0) return row.expires_at !== null && row.expires_at <= Date.now();
    return isDue(row, placementOf(key), stale === row.serial, Date.now());
  }

  #plan(key: ApiKey, row: Row): void {
    if (row.renewable === 0) return;
    const due = renewAt(row, placementOf(key));
    const idle = row.obtained_at + IDLE_RENEWAL_MS;
    const at = due === null || due < Date.now() ? idle : Math.min(due, idle);
    if (at > Date.now()) this.#parts.jobs.plan("renew", at);
  }

  async #open(key: ApiKey, row: Row): Promise<Access> {
    const { access_token } = await this.#tokens(key, row);
    const access = { serial: row.serial, secret: { secret: access_token } };
    if (this.#rows.find(key.id)?.serial === row.serial) this.#remember(key.id, access);
    return access;
  }

  async #tokens(key: ApiKey, { serial, binding, sealed }: Row): Promise<Tokens> {
    const plain = await this.#parts.sealer.openValue(sealName(key.id, serial, binding), new Uint8Array(sealed ?? []));
    return JSON.parse(new TextDecoder().decode(plain)) as Tokens;
  }

  #remember(key_id: string, access: Access): void {
    if (this.#opened.size >= REMEMBERED) this.#opened.clear();
    this.#opened.set(key_id, access);
  }

  #must(key: ApiKey): Row {
    const row = this.#rows.find(key.id);
    if (row === undefined || row.state === "reconnect_required" || row.binding !== bindingOf(key.destination))
      throw reconnect(key);
    return row;
  }

  #write(key_id: string, row: Omit<Row, "key_id">): void {
    this.#rows.write(key_id, row);
    this.#opened.delete(key_id);
    this.#parts.keys.changed();
  }
}
