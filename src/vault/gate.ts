import { createHash } from "node:crypto";
import { withoutTokens, type TokenKind } from "../crypto/token.ts";
import { Problem } from "../problem.ts";
import { actorOf } from "./actor.ts";
import type { Audit, Decision, Event, Origin, Outcome } from "./audit.ts";
import { slide } from "./caller.ts";
import type { ConnectedKeys } from "./connected_keys.ts";
import { isGuarded, touchesCredentials } from "./credential_endpoints.ts";
import type { ApiKey, Destination, Keys } from "./keys.ts";
import { newLease, type Term } from "./leashes.ts";
import { readPath } from "./path.ts";
import { judge, judgeKey, judgeToken, type Call, type Denial, type Standing } from "./policy.ts";
import type { Quota } from "./quota.ts";
import type { Refusals } from "./refusals.ts";
import type { Sealer, Secret } from "./sealer.ts";
import type { Token, Tokens } from "./tokens.ts";
import type { Versions } from "./versions.ts";

/** What the router asks before it carries a call. `key` is null in direct mode; `path` is the upstream path as it came. */
export type Ask = {
  hash: string;
  key: string | null;
  method: string;
  path: string;
  overridden: boolean;
  /** The upstream has refused the key's new secret: ask for the one before, while its rotation overlaps. A use of its own. */
  overlap?: boolean | undefined;
  /** The upstream has refused this access token (by its serial): ask for a newer one. A use of its own. */
  stale?: number | undefined;
} & Origin;

/** The vault's yes: where to send the call, with what, until when, and the lease that opens its leash. */
export type Dispatch = {
  request_id: string;
  seq: number;
  lease: string;
  destination: Destination;
  /** The path to send, below the base path. */
  path: string;
  secret: Secret;
  scrub: boolean;
  /** The version before may be asked for, should the upstream refuse this one. */
  overlaps: boolean;
  /** The access token's serial, where the call may be made once more with a newer one should the upstream refuse it. */
  renews?: number | undefined;
} & Term;

/** How a carried call ended, told off the hot path. */
export type Settlement = { seq: number } & Outcome;

/** What a gate works with: the vault's own parts. */
export type Parts = {
  tokens: Tokens;
  keys: Keys;
  audit: Audit;
  sealer: Sealer;
  refusals: Refusals;
  versions: Versions;
  connected_keys: ConnectedKeys;
  quota: Quota;
};

/** Kinds of token that may make calls; what more an access token needs is judged with the call. */
const CALLING: ReadonlySet<TokenKind> = new Set(["app", "dev", "oat"]);

/** What a call shows the upstream; `serial` tells one access token from another. */
type Opened = { secret: Secret; serial?: number };

const PATH_LIMIT = 512;
const AGENT_LIMIT = 256;

/**
 * Decides calls. One synchronous step judges, records and reserves; only then is the secret opened; after any wait the
 * epoch is compared, and a decision that something has overtaken is taken again (SECURITY S16).
 */
export class Gate {
  readonly #parts: Parts;
  /** Bumped by everything that could turn a yes into a no. */
  #epoch = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** Whoever revokes, pauses, narrows or deletes says so here, in the same step. */
  bump(): void {
    this.#epoch++;
  }

  /** Judges the call, records it and hands out what it needs; throws the refusal, which is recorded too. */
  async authorize(ask: Ask): Promise<Dispatch> {
    const token = this.#parts.tokens.byHash(ask.hash);
    if (token === undefined || !CALLING.has(token.kind))
      throw new Problem("invalid_token", "This token is not known here.");
    return this.#letThrough(token, ask, "proxy.call");
  }

  /** As {@link authorize}, for somebody who manages this vault and tries a key: the same judgement, record and care. */
  tryKey(by: Token, ask: Omit<Ask, "hash">): Promise<Dispatch> {
    return this.#letThrough(by, ask, "key.test");
  }

  async #letThrough(token: Token, ask: Omit<Ask, "hash">, action: string): Promise<Dispatch> {
    const { tokens, audit, sealer, keys, quota, connected_keys } = this.#parts;
    const now = Date.now();
    quota.assertRoom(audit.heads.head_seq, now);
    const current = this.#keyFor(token, ask.key);
    const key = ask.overlap === true ? this.#before(current, now) : current;
    const { path, denial } = this.#read(token, key, ask, now);
    const event = eventOf(token, key, ask, action);
    if (denial !== undefined || key === undefined) throw this.#refuse(event, denial ?? NO_KEY, now);
    slide(tokens, token, now);
    const epoch = this.#epoch;
    const { lease, hash } = newLease();
    const { seq, id } = audit.append(event, now, { lease: hash, path: event.path === path.raw ? null : path.raw });

    const opened = this.#atHand(key, ask.stale) ?? (await this.#open(key, ask.stale));
    const { method, overridden } = ask;
    const overtaken =
      epoch === this.#epoch ? undefined : this.#judge(token, key.id, { method, path: path.raw, overridden });
    if (overtaken !== undefined) {
      sealer.forget(key.id, key.version);
      audit.settle(seq, { outcome: "refused", rule: overtaken.rule }, Date.now());
      throw problemOf(overtaken, id);
    }
    if ("fault" in opened) {
      const code = opened.fault instanceof Problem ? opened.fault.code : "unavailable";
      audit.settle(seq, { outcome: "failed", rule: code }, Date.now());
      throw opened.fault;
    }
    // Both as they are now: either may have been changed while the secret was opened.
    const term = termOf(tokens.byHash(token.hash), keys.find(key.id));
    return {
      request_id: id,
      seq,
      lease,
      ...term,
      destination: shownAt(key.destination),
      path: path.raw,
      secret: opened.secret,
      scrub: key.scrub,
      overlaps: ask.overlap !== true && this.#before(key, now) !== undefined,
      renews: opened.serial !== undefined && connected_keys.mayRenew(key, opened.serial) ? opened.serial : undefined,
    };
  }

  /** Does a recorded decision still stand? What a leash asks, with the same judgement. */
  stands(decision: Decision): Denial | undefined {
    const { method = "GET", path = "/", key = "" } = decision;
    const { actor, token = actor.id, generation } = decision;
    return this.#judge({ id: token, generation }, key, { method, path, overridden: false });
  }

  /** Until when a recorded decision stands, as token and key are now. */
  term({ actor, token = actor.id, generation, key = "" }: Decision): Term {
    const { tokens, keys } = this.#parts;
    return termOf(tokens.at(token, generation), keys.find(key));
  }

  settle(settlements: readonly Settlement[]): void {
    const now = Date.now();
    for (const { seq, ...outcome } of settlements) this.#parts.audit.settle(seq, outcome, now);
  }

  /** What needs no waiting: the key's secret, or the access token of one that renews itself. */
  #atHand(key: ApiKey, stale: number | undefined): Opened | undefined {
    const { sealer, connected_keys } = this.#parts;
    if (key.destination.placement.in === "oauth") return connected_keys.atHand(key, stale);
    const secret = sealer.remembered(key);
    return secret && { secret };
  }

  /** A failure is a value here: the decision may have been overtaken meanwhile, and then that is the answer. */
  async #open(key: ApiKey, stale: number | undefined): Promise<Opened | { fault: unknown }> {
    const { sealer, keys, connected_keys } = this.#parts;
    try {
      if (key.destination.placement.in === "oauth") return await connected_keys.access(key, stale);
      return { secret: await sealer.open(key, keys.sealedBlob(key.id, key.version)) };
    } catch (fault) {
      return { fault };
    }
  }

  #judge(
    { id, generation }: Pick<Token, "id" | "generation">,
    key_id: string,
    call: { method: string; path: string; overridden: boolean },
  ): Denial | undefined {
    const { tokens, keys } = this.#parts;
    const token = tokens.at(id, generation);
    if (token === undefined) return NO_KEY;
    const path = { raw: call.path, segments: call.path.slice(1).split("/").map(decodeURIComponentLoosely) };
    return judgeCall({ token, key: keys.find(key_id), now: Date.now() }, { ...call, path });
  }

  /** The key with the version that a rotation keeps in reserve; undefined where none does, or not any more. */
  #before(key: ApiKey | undefined, now: number): ApiKey | undefined {
    if (key?.overlap_version == null || (key.overlap_until ?? 0) <= now) return undefined;
    return this.#parts.versions.at(key, key.overlap_version);
  }

  #keyFor(token: Token, ref: string | null): ApiKey | undefined {
    const { keys } = this.#parts;
    if (ref !== null) return keys.find(ref);
    const [only, second] = token.policy.keys ?? [];
    if (token.policy.keys === undefined) return keys.only();
    return only !== undefined && second === undefined ? keys.find(only) : undefined;
  }

  /** Token and key are judged before the path is even read: a caller without a right learns nothing about it. */
  #read(
    token: Token,
    key: ApiKey | undefined,
    ask: Omit<Ask, "hash">,
    now: number,
  ): { path: Call["path"]; denial: Denial | undefined } {
    const standing = { token, key, now };
    const denial = judgeToken(standing) ?? (ask.key === null && key === undefined ? NOT_ONE_KEY : judgeKey(standing));
    if (denial !== undefined || key === undefined) return { path: { raw: ask.path, segments: [] }, denial };
    try {
      const fenced = key.destination.base_path !== "" || token.policy.paths !== undefined;
      const path = readPath(ask.path, fenced || isGuarded(key.destination));
      return { path, denial: judgeCall(standing, { method: ask.method, path, overridden: ask.overridden }) };
    } catch (refused) {
      if (!(refused instanceof Problem)) throw refused;
      return {
        path: { raw: ask.path, segments: [] },
        denial: { rule: "target", code: refused.code, detail: refused.message },
      };
    }
  }

  #refuse(asked: Event, denial: Denial, now: number): Problem {
    const { audit, refusals } = this.#parts;
    const event = { ...asked, outcome: "refused" as const, rule: denial.rule };
    if (!refusals.isFirst(event, now)) return problemOf(denial, undefined);
    return problemOf(denial, audit.append(event, now).id);
  }
}

type Expiring = { expires_at: number | null } | undefined;

function termOf(token: Expiring, key: Expiring): Term {
  const [token_ends, key_ends] = [token?.expires_at ?? Infinity, key?.expires_at ?? Infinity];
  const not_after = Math.min(token_ends, key_ends);
  return {
    not_after: Number.isFinite(not_after) ? not_after : null,
    expiry_rule: key_ends < token_ends ? "key_expired" : "expired",
  };
}

/** The whole judgement, with what the catalog knows of the call. */
function judgeCall(
  standing: Standing & { key: ApiKey | undefined },
  call: Omit<Call, "credentials">,
): Denial | undefined {
  const { key } = standing;
  return judge(standing, { ...call, credentials: key !== undefined && touchesCredentials(key.destination, call) });
}

/** An access token is shown as a key is; where it came from is the vault's affair. */
function shownAt(destination: Destination): Destination {
  const { placement } = destination;
  if (placement.in !== "oauth") return destination;
  const { header } = placement;
  return { ...destination, placement: header === undefined ? { in: "bearer" } : { in: "header", ...header } };
}

const NO_KEY: Denial = { rule: "keys", code: "not_found", detail: "This token reaches no key of that name." };
const NOT_ONE_KEY: Denial = {
  rule: "keys",
  code: "not_found",
  detail: "Without /v1/proxy/{key} in front, a token must reach exactly one key.",
};

function eventOf(token: Token, key: ApiKey | undefined, ask: Omit<Ask, "hash">, action: string): Event {
  return {
    actor: actorOf(token),
    token: token.kind === "oat" ? token.id : undefined,
    generation: token.generation,
    action,
    rule: ask.overlap === true ? "overlap" : ask.stale === undefined ? undefined : "renewal",
    key: key?.id,
    key_name: key?.name,
    provider: key?.destination.provider,
    method: ask.method,
    host: key === undefined ? undefined : new URL(key.destination.origin).host,
    path: recordedPath(ask.path === "" ? "/" : ask.path),
    ip: ask.ip,
    country: ask.country,
    user_agent: ask.user_agent.slice(0, AGENT_LIMIT),
  };
}

/** Paths are recorded to 512 bytes and, beyond, by their hash; what looks like a token of ours is not (SECURITY S14, S17). */
function recordedPath(path: string): string {
  const decoded = decodeURIComponentLoosely(path);
  const safe = withoutTokens(withoutTokens(decoded) === decoded ? path : decoded);
  if (safe.length <= PATH_LIMIT) return safe;
  return `${safe.slice(0, PATH_LIMIT)}…sha256=${createHash("sha256").update(path).digest("hex")}`;
}

function decodeURIComponentLoosely(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    return segment;
  }
}

function problemOf(denial: Denial, request_id: string | undefined): Problem {
  return new Problem(denial.code, denial.detail, { rule: denial.rule, request_id });
}
