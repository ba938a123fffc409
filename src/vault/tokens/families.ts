/**
 * Refresh tokens and their families (DESIGN D5, SECURITY S7, S8). Used by app tokens and by OAuth alike:
 *
 *     const prepared = await families.keys.prepare();                    // await outside …
 *     const token = tokens.add({ kind: "oat", hash: null, parent_id: grant.id, policy: { scopes }, expires_at: absolute, … }, now);
 *     const issued = families.open(prepared, token, { refresh_kind: "ort", client_id, access_ms, idle_ms }, origin, now);
 *
 * A family belongs to one row of table `token` (of a grant: its one `oat` row), which stays the same however often it is refreshed: its id, policy, pauses and
 * end. The row has no hash of its own; `tokens.byHash` finds it by any living access token. Its `expires_at` is the
 * absolute end, `idle_ms` ends it without a refresh. Refreshing is `refresh(parts, { kind: "ort", secret, client_id, scopes, origin })`
 * in `refresh.ts`, `secret` as `verifyToken` reads it. Its refusals are Problems: `invalid_token` is OAuth's `invalid_grant`. Ending the
 * token (`tokens.revoke`, `revokeChildren` of the grant) ends the family: there is nothing else to do.
 */
import type { KeyRing } from "../../config.ts";
import { accessSecret, firstOf, secretOf, spelledSecret, successorOf, type Descendant } from "../../crypto/lineage.ts";
import { hashOf, mintToken } from "../../crypto/token.ts";
import type { Origin } from "../audit/row.ts";
import { FamilyKeys, type PreparedFamily } from "./family_keys.ts";
import { Generations, KEPT_GENERATIONS, repeatsInMinute, type Generation } from "./generations.ts";
import { isSamePlace, Places } from "./places.ts";
import { SHARED_RUN, type Cadence, type Presented } from "./rotation.ts";
import type { Scope } from "../policy/scopes.ts";
import type { Sealer } from "../keys/sealer.ts";
import type { Token } from "./token.ts";
import type { Tokens } from "./tokens.ts";

/** On what terms a family is refreshed. */
export type Terms = {
  refresh_kind: "ref" | "ort";
  client_id?: string | null;
  cadence?: Cadence | null;
  /** How long an access token lives, and how long the family does without a refresh. */
  access_ms: number;
  idle_ms: number;
};

/** A family as it stands; `answered_at` is when it last gave a token. */
export type Family = Required<Terms> & { number: number; token_id: string; head: number; answered_at: number };

/** What a refresh answers. */
export type Issued = { token_id: string; token: string; expires_at: number; refresh_token: string };

type StoredFamily = Omit<Family, never> & { sealed: ArrayBuffer };

const SLOT_MS = 5 * 60_000;

/** Table `family`, with its generations and places. No secret is stored: a successor is derived from what is presented. */
export class Families {
  readonly keys: FamilyKeys;
  readonly #sql: SqlStorage;
  readonly #generations: Generations;
  readonly #places: Places;
  readonly #tokens: Tokens;
  readonly #token_keys: KeyRing;
  readonly #vault_id: string;

  constructor(sql: SqlStorage, tokens: Tokens, sealer: Sealer, token_keys: KeyRing, vault_id: string) {
    this.#sql = sql;
    this.#generations = new Generations(sql);
    this.#places = new Places(sql);
    this.#tokens = tokens;
    this.keys = new FamilyKeys(sql, sealer);
    this.#token_keys = token_keys;
    this.#vault_id = vault_id;
  }

  /** Founds a family for a token, and issues its first generation. */
  open({ number, key, sealed }: PreparedFamily, token: Token, terms: Terms, origin: Origin, now: number): Issued {
    const { refresh_kind, client_id = null, cadence = null, access_ms, idle_ms } = terms;
    this.#sql.exec(
      `INSERT INTO family (number, token_id, refresh_kind, client_id, cadence, access_ms, idle_ms, sealed, head, answered_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?, 0, ?)`,
      number,
      token.id,
      refresh_kind,
      client_id,
      cadence,
      access_ms,
      idle_ms,
      sealed,
      now,
    );
    const family = this.#must(number);
    const first = firstOf(number);
    this.#generations.add(family, first, origin, now);
    return this.issue(family, key, first, { origin }, now);
  }

  find(number: number): Family | undefined {
    const [row] = this.#sql.exec<StoredFamily>("SELECT * FROM family WHERE number = ?", number).toArray();
    if (row === undefined) return undefined;
    const { sealed: _sealed, ...family } = row;
    return family;
  }

  /** The family of a token that rotates. */
  of(token_id: string): Family | undefined {
    const [row] = this.#sql
      .exec<{ number: number }>("SELECT number FROM family WHERE token_id = ?", token_id)
      .toArray();
    return row === undefined ? undefined : this.find(row.number);
  }

  /** How often tokens of a kind were renewed, by what they stem from. */
  rotations(kind: Token["kind"]): Map<string, number> {
    const rows = this.#sql.exec<{ parent_id: string; head: number }>(
      "SELECT t.parent_id, f.head FROM family f JOIN token t ON t.id = f.token_id WHERE t.kind = ? AND t.parent_id IS NOT NULL",
      kind,
    );
    return new Map([...rows].map(({ parent_id, head }) => [parent_id, head]));
  }

  /**
   * Was this secret ever given by its family? What is not stored any more is derived up to the next generation that is: at
   * most 256 steps.
   */
  descends({ number, refresh_kind }: Family, key: Uint8Array, presented: Descendant): boolean {
    const proof = this.#generations.proofOf(number, presented.generation);
    if (proof === undefined) return false;
    const derived = descendant(key, presented, proof.n);
    return hashOf(refresh_kind, spelledSecret(derived)) === proof.hash;
  }

  /** What the family knows of a presented token, for the judgement. */
  standing(family: Family, generation: number, origin: Origin, now: number): Omit<Presented, "right_client"> {
    const { number, token_id } = family;
    const head = this.#generations.must(number, family.head);
    return {
      generation,
      head: family.head,
      superseded_at: this.#generations.find(number, generation)?.superseded_at ?? null,
      head_used: this.#tokens.wasUsed(token_id, family.head),
      known_place: isSamePlace(head, origin) || this.#places.isKnown(number, origin, now),
      repeats_in_minute: repeatsInMinute(head, now),
      now,
    };
  }

  /** Makes the presented head's successor the new head. Answers it, and the generation whose access tokens died with that. */
  rotate(
    family: Family,
    key: Uint8Array,
    head: Descendant,
    origin: Origin,
    now: number,
  ): { next: Family; given: Descendant; dead: number } {
    const given = successorOf(key, head);
    const n = given.generation;
    this.#sql.exec("UPDATE family SET head = ? WHERE number = ?", n, family.number);
    this.#generations.supersede(family.number, family.head, now);
    this.#generations.add(family, given, origin, now);
    this.#generations.forget(family.number, n - KEPT_GENERATIONS, now);
    this.#tokens.supersede(family.token_id, n - 2, n - KEPT_GENERATIONS);
    return { next: { ...family, head: n }, given, dead: n - 2 };
  }

  /** Derives the head again from an older token that was shown, and counts that. True where sharing has become a habit. */
  repeat(
    family: Family,
    key: Uint8Array,
    presented: Descendant,
    shared: boolean,
    now: number,
  ): { given: Descendant; habit: boolean } {
    const first = this.#generations.countRepeat(family.number, family.head, shared, now);
    const habit = first && this.#generations.sharedRun(family.number, family.head) >= SHARED_RUN;
    return { given: descendant(key, presented, family.head), habit };
  }

  /** The tokens of the head. In one slot of five minutes the access token is the same, whoever asks. */
  issue(
    family: Family,
    key: Uint8Array,
    head: Descendant,
    { origin, scopes }: { origin: Origin; scopes?: readonly Scope[] | undefined },
    now: number,
  ): Issued {
    const { number, token_id, refresh_kind, access_ms } = family;
    const { kind, expires_at } = this.#tokens.find(token_id) as Token;
    // Counted from the generation's birth: fifty that race for one rotation never straddle two slots.
    const slot = Math.max(0, Math.floor((now - this.#generations.must(number, head.generation).issued_at) / SLOT_MS));
    const access = mintToken(this.#token_keys, kind, this.#vault_id, accessSecret(key, head, slot, scopes?.join(" ")));
    const until = Math.min(now + access_ms, expires_at ?? Infinity);
    const expiry = this.#tokens.addAccess(token_id, {
      hash: access.hash,
      generation: head.generation,
      expires_at: until,
      scopes,
    });
    this.#sql.exec("UPDATE family SET answered_at = ? WHERE number = ?", now, number);
    this.#places.see(number, origin, now);
    const refresh = mintToken(this.#token_keys, refresh_kind, this.#vault_id, secretOf(head));
    return { token_id, token: access.token, expires_at: expiry, refresh_token: refresh.token };
  }

  /** What is remembered of a family's generations, newest first. */
  history({ number }: Family): Generation[] {
    return this.#generations.newest(number);
  }

  #must(number: number): Family {
    const family = this.find(number);
    if (family === undefined) throw new Error(`family ${number} is not there`);
    return family;
  }
}

function descendant(key: Uint8Array, from: Descendant, generation: number): Descendant {
  let link = from;
  while (link.generation < generation) link = successorOf(key, link);
  return link;
}
