import { Problem } from "../../problem.ts";
import type { Audit } from "../audit/audit.ts";
import type { Jobs } from "../jobs.ts";
import type { ApiKey } from "../keys/key.ts";
import type { Keys } from "../keys/keys.ts";
import type { Sealer, Secret } from "../keys/sealer.ts";
import { secretOf } from "../keys/secret_of.ts";
import { renewThrown } from "../keys/thrown_connection.ts";
import type { Versions } from "../keys/versions.ts";
import { Turns } from "../turns.ts";
import { about, bindingOf, BY_VAULT, groundsOf, needsNobody, placementOf, reconnect, troubled } from "./connection.ts";
import { ASKING, blank, type ConnectionRows, type Row } from "./connection_rows.ts";
import type { HeldTokens } from "./held_tokens.ts";
import { backoffMs, expiryOf, isDue, renewAt, waitOf, worthTrying } from "./renewal.ts";
import type { Answered, Granted } from "./token_answer.ts";
import { askForTokens, revokeToken, type Grounds } from "./token_endpoint.ts";

type Parts = { sql: SqlStorage; sealer: Sealer; keys: Keys; versions: Versions; audit: Audit; jobs: Jobs };

/** So many token endpoints are asked at a time, each for one key: of an object's six connections most stay free. */
const AT_ONCE = 3;
/** When an asking is looked after by alarm: whoever fell meanwhile asks again while a provider may still forgive it. */
export const LOOK_AFTER_MS = 5_000;
/** A grant that nobody uses is renewed now and then, since many providers let an idle one die. */
export const IDLE_RENEWAL_MS = 30 * 86_400_000;
/** What a provider says of a refresh token that it does not take. */
const GRANT_IS_GONE = new Set(["invalid_grant", "invalid_refresh_token", "bad_refresh_token", "token_revoked"]);
/** The same, where the answer to an earlier asking was lost: most likely it had brought the successor. */
const ANSWER_LOST = "answer_lost";

/** Does this trouble mean that what was granted is gone for good? A mended client changes nothing about it then. */
export function grantIsGone(trouble: string | null): boolean {
  return trouble === ANSWER_LOST || GRANT_IS_GONE.has(trouble ?? "");
}

/**
 * Asks providers for tokens: for one key once at a time, recorded before it asks; a new refresh token is durable before the old
 * one is forgotten and before the new access token is used.
 */
export class Renewals {
  readonly #parts: Parts;
  readonly #rows: ConnectionRows;
  readonly #tokens: HeldTokens;
  readonly #under_way = new Map<string, Promise<void>>();
  readonly #turns = new Turns(AT_ONCE);

  constructor(parts: Parts, rows: ConnectionRows, tokens: HeldTokens) {
    this.#parts = parts;
    this.#rows = rows;
    this.#tokens = tokens;
  }

  /** Ids of keys whose provider is being asked. */
  get under_way(): string[] {
    return [...this.#under_way.keys()];
  }

  /** Has a new access token from the provider. Whoever asks while it is under way waits for the same one. */
  renew(key: ApiKey): Promise<void> {
    let renewal = this.#under_way.get(key.id);
    if (renewal === undefined) {
      renewal = this.#renew(key).finally(() => this.#under_way.delete(key.id));
      // Nobody may be waiting any more when it fails; its row tells of it.
      renewal.catch(() => {});
      this.#under_way.set(key.id, renewal);
    }
    return renewal;
  }

  /** Redeems the code that a person brought back; tokens that were held before are forgotten once the new ones are durable. */
  async redeem(key: ApiKey, grounds: Grounds & { by: "code" }, secret: Secret): Promise<Answered> {
    const asked_at = Date.now();
    const answered = await this.#ask(key, secret, grounds, asked_at);
    if (answered.outcome === "granted")
      await this.#store(key, this.#rows.find(key.id), { ...answered, asked_at, secret }, "connected");
    return answered;
  }

  /** Must this token be had anew before it is used? `stale` is the serial of one that the upstream has refused. */
  isDue(key: ApiKey, row: Row, stale: number | undefined): boolean {
    // Without anything to renew it by, a token is used to its very end, and a refusal says nothing: it may be about the call.
    if (row.renewable === 0) return row.expires_at !== null && row.expires_at <= Date.now();
    return isDue(row, placementOf(key), stale === row.serial, Date.now());
  }

  /** Looks after it again when it is due, or has idled for long. */
  plan(key: ApiKey, row: Row): void {
    if (row.renewable === 0) return;
    const due = renewAt(row, placementOf(key));
    const idle = row.obtained_at + IDLE_RENEWAL_MS;
    const at = due === null || due < Date.now() ? idle : Math.min(due, idle);
    if (at > Date.now()) this.#parts.jobs.plan("renew", at);
  }

  /** The connection of a key that can have tokens. */
  must(key: ApiKey): Row {
    const row = this.#rows.find(key.id);
    if (row === undefined || row.state === "reconnect_required" || row.binding !== bindingOf(key.destination))
      throw reconnect(key);
    return row;
  }

  async #renew(key: ApiKey): Promise<void> {
    const { audit, sealer, jobs } = this.#parts;
    const now = Date.now();
    const row = this.must(key);
    const wait = waitOf(row, now);
    if (wait > 0) throw troubled(key, wait);
    // Recorded before the client's secret leaves (DESIGN D2): the object's own fetch waits until this is durable.
    const { seq } = audit.append({ ...BY_VAULT, action: "connection.renew", ...about(key) }, now);
    this.#rows.setOut(key.id, now);
    jobs.plan("renew", now + LOOK_AFTER_MS);
    let answered: Answered | undefined;
    try {
      // What comes back must not be lost for want of a key to seal it with.
      await sealer.ready();
      const secret = await secretOf(this.#parts, key);
      const before = row.sealed === null ? secret.refresh_token : (await this.#tokens.open(row)).refresh_token;
      const grounds = groundsOf(placementOf(key), before);
      answered =
        grounds === undefined
          ? { outcome: "refused", error: "no_refresh_token" }
          : await this.#ask(key, secret, grounds, now);
      if (answered.outcome === "granted") {
        // Without a new refresh token the one before goes on (RFC 6749 §6).
        const { refresh_token = before } = answered;
        await this.#store(key, row, { ...answered, refresh_token, asked_at: now, secret }, "renewed");
      }
    } catch (fault) {
      this.#brokenOff(key.id, row, answered?.outcome === "granted" ? ASKING.lost : row.asking);
      audit.settle(seq, { outcome: "failed", rule: "unavailable" }, Date.now());
      throw fault;
    }
    if (answered.outcome === "granted") return audit.settle(seq, { outcome: "ok" }, Date.now());
    audit.settle(seq, { outcome: "failed", rule: answered.error }, Date.now());
    throw this.#failed(key, row, answered);
  }

  /** Two endpoints may be in trouble without holding up a third; one that is has no more than one question at a time. */
  #ask(key: ApiKey, secret: Secret, grounds: Grounds, now: number): Promise<Answered> {
    const placement = placementOf(key);
    return this.#turns.take(new URL(placement.token_url).host, () => askForTokens(placement, secret, grounds, now));
  }

  /** Our own trouble kept it from being asked, or its answer from being kept. */
  #brokenOff(key_id: string, before: Row, asking: Row["asking"]): void {
    const row = this.#rows.find(key_id);
    if (row?.serial === before.serial) this.#rows.write(key_id, { ...row, asking });
  }

  /** Old and new change places in one step, unless something else has happened to the connection meanwhile. */
  async #store(
    key: ApiKey,
    row: Row | undefined,
    granted: Granted & { asked_at: number; secret: Secret },
    what: "connected" | "renewed",
  ): Promise<void> {
    const { sql, keys } = this.#parts;
    const binding = bindingOf(key.destination);
    const serial = (row?.serial ?? 0) + 1;
    const { access_token, refresh_token, asked_at } = granted;
    const sealed = await this.#tokens.seal({ key_id: key.id, serial, binding }, { access_token, refresh_token });
    const now = Date.now();
    const renewable = refresh_token !== undefined || needsNobody(placementOf(key));
    const stored: Row = {
      ...blank(now),
      key_id: key.id,
      state: "connected",
      binding,
      serial,
      sealed,
      expires_at: expiryOf(granted.expires_in_s, renewable, asked_at),
      renewable: renewable ? 1 : 0,
      scopes: granted.scopes ?? row?.scopes ?? null,
      connected_at: what === "connected" ? now : (row?.connected_at ?? now),
      renewals: what === "connected" ? 0 : (row?.renewals ?? 0) + 1,
      asked_at,
    };
    const current = keys.find(key.id);
    const held = this.#rows.find(key.id);
    if (current === undefined || bindingOf(current.destination) !== binding || held?.serial !== row?.serial) {
      // What its owner may want back must not come back with a refresh token that is spent.
      if (current === undefined && row !== undefined && renewThrown(sql, row, stored)) return;
      // Nothing is left here to revoke it by later. Where something is, it may be the very grant that goes on.
      if (held === undefined) void revokeToken(placementOf(key), granted.secret, refresh_token ?? access_token);
      throw new Problem("conflict", `${key.name} was changed meanwhile. Try again.`);
    }
    this.#rows.write(key.id, stored);
    this.#tokens.remember(key.id, { serial, secret: { secret: access_token } });
    this.#rows.note(key.id, what, null, now);
    this.plan(key, stored);
  }

  #failed(key: ApiKey, row: Row, answered: Exclude<Answered, { outcome: "granted" }>): Problem {
    const { audit } = this.#parts;
    const now = Date.now();
    const current = this.#rows.find(key.id);
    if (current?.serial !== row.serial) return troubled(key, 1_000);
    // Who needs no refresh token can lose none.
    const may_lose = !needsNobody(placementOf(key));
    const was_lost = may_lose && row.asking === ASKING.lost;
    if (answered.outcome === "refused") {
      const trouble = was_lost && GRANT_IS_GONE.has(answered.error) ? ANSWER_LOST : answered.error;
      this.#rows.write(key.id, { ...current, state: "reconnect_required", trouble, asking: ASKING.answered });
      this.#rows.note(key.id, "reconnect_required", trouble, now);
      const event = { ...BY_VAULT, action: "connection.lost", outcome: "ok", rule: trouble } as const;
      audit.append({ ...event, ...about(key) }, now);
      return reconnect(key);
    }
    const failures = current.failures + 1;
    const wait = backoffMs(failures, answered.retry_after_s);
    const asking = may_lose && (answered.lost || was_lost) ? ASKING.lost : ASKING.answered;
    this.#rows.write(key.id, { ...current, failures, retry_at: now + wait, trouble: answered.error, asking });
    this.#rows.note(key.id, "failed", answered.error, now);
    if (worthTrying(failures)) this.#parts.jobs.plan("renew", now + wait);
    return troubled(key, wait);
  }
}
