import type { TokenKind } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import type { Approvals, Wish } from "./approvals.ts";
import { eventOf, wishOf } from "./call_event.ts";
import type { Audit } from "../audit/audit.ts";
import type { Decision, Event } from "../audit/row.ts";
import { slide } from "../tokens/caller.ts";
import type { ConnectedKeys } from "../connections/connected_keys.ts";
import type { ApiKey } from "../keys/key.ts";
import type { Keys } from "../keys/keys.ts";
import type { Charge, Check, Denial, Standing, Verdict } from "../policy/judgement.ts";
import type { Ask, Dispatch, Settlement } from "./dispatch.ts";
import { Judging } from "./judging.ts";
import { newLease } from "./leashes.ts";
import type { Term } from "./telling.ts";
import type { Meters } from "./meters.ts";
import { atHand, open, shownAt } from "./opening.ts";
import type { Prices } from "./prices.ts";
import type { Quota } from "../quota.ts";
import type { Refusals } from "./refusals.ts";
import type { Sealer } from "../keys/sealer.ts";
import { mayCost, type Spending } from "./spending.ts";
import type { Token } from "../tokens/token.ts";
import type { Tokens } from "../tokens/tokens.ts";
import type { Versions } from "../keys/versions.ts";

/** What a gate works with: the vault's own parts. */
export type Parts = {
  tokens: Tokens;
  keys: Keys;
  audit: Audit;
  meters: Meters;
  sealer: Sealer;
  refusals: Refusals;
  versions: Versions;
  connected_keys: ConnectedKeys;
  quota: Quota;
  prices: Prices;
  spending: Spending;
  approvals: Approvals;
};

/** Kinds of token that may make calls; what more an access token needs is judged with the call. */
const CALLING: ReadonlySet<TokenKind> = new Set(["app", "dev", "oat"]);

/**
 * Decides calls. One synchronous step judges, records and reserves; only then is the secret opened; after any wait the
 * epoch is compared, and a decision that something has overtaken is taken again (SECURITY S16).
 */
export class Gate {
  readonly #parts: Parts;
  readonly #judging: Judging;
  /** Bumped by everything that could turn a yes into a no. */
  #epoch = 0;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#judging = new Judging(parts);
  }

  /** Whoever revokes, pauses, narrows or deletes says so here, in the same step. */
  bump(): void {
    this.#epoch++;
  }

  /** Judges the call, records it and hands out what it needs; throws the refusal, which is recorded too. */
  authorize(ask: Ask): Promise<Dispatch> {
    const token = this.#parts.tokens.byHash(ask.hash);
    if (token === undefined || !CALLING.has(token.kind))
      throw new Problem("invalid_token", "This token is not known here.");
    return this.#letThrough(token, ask, "proxy.call");
  }

  /** As {@link authorize}, for somebody who manages this vault and tries a key: the same judgement, record and care. */
  tryKey(by: Token, ask: Omit<Ask, "hash">): Promise<Dispatch> {
    return this.#letThrough(by, ask, "key.test");
  }

  /** What {@link authorize} would decide at that time, with every check on the way. Writes nothing. */
  explain(
    token: Token,
    ask: Omit<Ask, "hash">,
    at: number,
  ): { verdict: Verdict; checks: Check[]; key: ApiKey | undefined } {
    const checks: Check[] = [];
    const { key, verdict } = this.#judging.call(token, ask, at, (check) => checks.push(check));
    if (verdict.verdict !== "ask" || key === undefined) return { verdict, checks, key };
    const wish = wishOf(token, key, ask, eventOf(token, key, ask, "proxy.call"), verdict);
    const { asking: _yes, ...passed } = verdict;
    return {
      verdict: this.#parts.approvals.isAllowed(wish, at) ? { ...passed, verdict: "allow" } : verdict,
      checks,
      key,
    };
  }

  async #letThrough(token: Token, ask: Omit<Ask, "hash">, action: string): Promise<Dispatch> {
    const { tokens, audit, meters, sealer, keys, quota, spending, approvals } = this.#parts;
    const now = Date.now();
    quota.assertRoom(audit.heads.head_seq, now);
    const { key, verdict, holders } = this.#judging.call(token, ask, now);
    const event = eventOf(token, key, ask, action);
    if (verdict.verdict === "deny") throw this.#refuse(event, verdict.denial, now);
    if (key === undefined) throw new Error("a call without a key was let through");
    const payers = this.#judging.payers(holders, key);
    if (payers.length > 0 && ask.upgrade === true) throw this.#refuse(event, NOT_COUNTED, now);
    const billed = payers.length > 0 && mayCost(ask);
    // Nothing was done yet: the router reads the request and comes back.
    if (billed && ask.estimate === undefined) throw new Problem("estimate_needed", "A budget pays for this call.");
    const { path, charges, would_refuse } = verdict;
    const wish = verdict.verdict === "ask" ? wishOf(token, key, ask, event, verdict) : undefined;
    const yes = wish && approvals.take(wish, now);
    if (wish !== undefined && yes === undefined) throw this.#askFirst(event, wish, now);
    slide(tokens, token, now);
    const epoch = this.#epoch;
    const { lease, hash } = newLease();
    const { seq, id } = audit.append({ ...event, subject: yes, would_refuse: would_refuse?.rule }, now, {
      lease: hash,
      path: event.path === path.raw ? null : path.raw,
    });
    meters.charge(charges, seq, now);
    if (billed && ask.estimate !== undefined)
      spending.reserve(seq, payers, { id: key.id, provider: key.destination.provider }, ask.estimate, now);

    const at_hand = atHand(this.#parts, key, ask.stale);
    const opened = at_hand ?? (await open(this.#parts, key, ask.stale));
    // What is counted was counted above: only the rest is judged again.
    const overtaken =
      epoch === this.#epoch
        ? undefined
        : this.#judging.standing(tokens.look(token.hash), key.id, { ...ask, path: path.raw });
    if (overtaken !== undefined) {
      sealer.forget(key.id, key.version);
      this.#takeBack(seq, charges, yes, now);
      audit.settle(seq, { outcome: "refused", rule: overtaken.rule }, Date.now());
      throw problemOf(overtaken, id);
    }
    if ("fault" in opened) {
      this.#takeBack(seq, charges, yes, now);
      const code = opened.fault instanceof Problem ? opened.fault.code : "unavailable";
      audit.settle(seq, { outcome: "failed", rule: code }, Date.now());
      throw opened.fault;
    }
    // Both as they are now: either may have been changed while the secret was opened.
    const term =
      at_hand === undefined
        ? termOf(tokens.lineage(tokens.byHash(token.hash) ?? token), keys.find(key.id))
        : termOf(holders, key);
    return {
      request_id: id,
      seq,
      lease,
      ...term,
      destination: shownAt(key.destination),
      secret: opened.secret,
      scrub: key.scrub,
      metered: billed ? { model: ask.estimate?.model ?? "" } : undefined,
      again: this.#again(key, ask, opened.serial, now),
    };
  }

  /** What the router may ask for beside, should the upstream refuse what it was given. */
  #again(key: ApiKey, { overlap }: Omit<Ask, "hash">, serial: number | undefined, now: number): Dispatch["again"] {
    if (overlap !== true && this.#judging.before(key, now) !== undefined) return { overlap: true };
    return serial !== undefined && this.#parts.connected_keys.mayRenew(key, serial) ? { stale: serial } : undefined;
  }

  /** The call never left: nothing of it is charged. */
  #takeBack(seq: number, charges: readonly Charge[], yes: string | undefined, charged_at: number): void {
    const { meters, spending, approvals } = this.#parts;
    meters.giveBack(charges, charged_at);
    spending.release(seq);
    if (yes !== undefined) approvals.giveBack(yes);
  }

  /** Does a recorded decision still stand? What a leash asks, with the same judgement. */
  stands(decision: Decision): Denial | undefined {
    const { method = "GET", path = "/", key = "", ip, country } = decision;
    const { actor, token = actor.id, generation, overridden = false } = decision;
    const by = this.#parts.tokens.at(token, generation);
    return this.#judging.standing(by, key, { method, path, overridden, ip, country });
  }

  /** Until when a recorded decision stands, as token and key are now. */
  term({ actor, token = actor.id, generation, key = "" }: Decision): Term {
    const { tokens, keys } = this.#parts;
    const by = tokens.at(token, generation);
    return termOf(by === undefined ? [] : tokens.lineage(by), keys.find(key));
  }

  settle(settlements: readonly Settlement[]): void {
    const now = Date.now();
    const { audit, spending } = this.#parts;
    for (const { seq, metered, ...outcome } of settlements) {
      const booked = spending.book(seq, metered);
      const cost = booked && { usd: booked.cost / 1_000_000, usd_estimated: booked.estimated || undefined };
      audit.settle(seq, { ...outcome, ...cost }, now);
    }
  }

  /** Nobody has said yes yet. Where the call is held its owner is asked, once for the same request. */
  #askFirst(event: Event, wish: Wish, now: number): Problem {
    const { approvals, audit } = this.#parts;
    const detail = "A person must say yes to this call first.";
    if (wish.content === undefined) return new Problem("approval_required", detail, { rule: "ask" });
    const asked = approvals.ask(wish, now);
    if ("denial" in asked) return this.#refuse(event, asked.denial, now);
    const { id } = asked.question;
    if (asked.isNew) audit.append({ ...event, action: "approval.ask", outcome: "ok", subject: id }, now);
    const approval = { id, url: approvals.urlOf(id) };
    return new Problem("approval_required", `${detail} Its owner can answer at ${approval.url}`, {
      rule: "ask",
      approval,
    });
  }

  #refuse(asked: Event, denial: Denial, now: number): Problem {
    const { audit, refusals } = this.#parts;
    const event = { ...asked, outcome: "refused" as const, rule: denial.rule };
    if (!refusals.isFirst(event, now)) return problemOf(denial, undefined);
    return problemOf(denial, audit.append(event, now).id);
  }
}

const NOT_COUNTED: Denial = {
  rule: "spend",
  code: "policy_denied",
  detail: "This token has a budget (spend), and what a WebSocket costs cannot be counted.",
};

/** Until when a decision stands at most: the earliest end of all that it rests on. */
function termOf(holders: Standing["holders"], key: ApiKey | undefined): Term {
  const token_ends = Math.min(...holders.map(({ token }) => token.expires_at ?? Infinity));
  const key_ends = key?.expires_at ?? Infinity;
  const not_after = Math.min(token_ends, key_ends);
  return {
    not_after: Number.isFinite(not_after) ? not_after : null,
    expiry_rule: key_ends < token_ends ? "key_expired" : "expired",
  };
}

function problemOf(denial: Denial, request_id: string | undefined): Problem {
  const { code, detail, rule, retry_after_s } = denial;
  return new Problem(code, detail, { rule, retry_after_s, request_id });
}
