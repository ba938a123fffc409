import type { TokenKind } from "../../crypto/token.ts";
import { Problem } from "../../problem.ts";
import { isFresh, type Freeze } from "../account/frozen.ts";
import type { AllowedCall } from "../policy/policy.ts";
import { allowing } from "../policy/rules.ts";
import { withinSql, type Reach } from "../policy/reach.ts";
import type { Access } from "./accesses.ts";
import { KnownTokens } from "./known_tokens.ts";
import type { NewToken, Token } from "./token.ts";
import { limitOf, LIVES, livesAt, type TokenFilter } from "./token_rows.ts";

/**
 * The tokens of a vault: rows of table `token` with their access tokens, and what becomes of them.
 * A token that rotates keeps its row, its id and its policy: what changes is the hashes by which it is known.
 */
export class Tokens extends KnownTokens {
  /** Ids of live sessions; with a freeze, of those that are not of a sign-in after it. */
  sessions(now: number, before: Freeze | null): string[] {
    const live = this.live("ses", now);
    return before === null ? live : live.filter((id) => !isFresh(this.must(id), before));
  }

  /** Makes a rotating token known by one more hash. In one slot of time it is the same one, and goes on expiring when it did. */
  addAccess(id: string, access: Access): number {
    return this.accesses.add(id, access);
  }

  /** Ends the access tokens of generations up to `last`, and forgets those of generations below `kept`. */
  supersede(id: string, last: number, kept: number): void {
    this.accesses.supersede(id, last, kept);
    this.forget(id);
  }

  /** Ends one access token: of a token that rotates only this one, else the token itself. */
  endAccess({ id, generation }: Token, hash: string, now: number): void {
    if (generation === undefined) return void this.revoke(id, now);
    this.accesses.end(hash);
    this.forget(id);
  }

  /** Has anybody come with an access token of that generation? */
  wasUsed(id: string, generation: number): boolean {
    return this.accesses.wasUsed(id, generation);
  }

  /** Ids of all app tokens that were derived from this one, and from those. */
  descendants(id: string): string[] {
    return this.rows.descendants(id);
  }

  /** Ids of those of them that live. */
  liveUnder(id: string, now: number): string[] {
    const below = new Set(this.descendants(id));
    return this.live("app", now).filter((each) => below.has(each));
  }

  /** Forgets what stems from it and has been dead since before `until`, with what was derived from that, which is dead too. Answers their ids. */
  forgetDead(id: string, until: number): string[] {
    const dead = [...new Set(this.rows.deadUnder(id, until).flatMap((each) => [...this.descendants(each), each]))];
    for (const id of dead) {
      this.rows.delete(id);
      this.forget(id);
    }
    return dead;
  }

  change(id: string, { name, policy, expires_at }: Pick<Token, "name" | "policy" | "expires_at">): void {
    this.write(id, "name = ?, policy = ?, expires_at = ?", name, JSON.stringify(policy), expires_at);
  }

  /** The id of the token that this one was derived from in the end; its own where it was not derived. */
  eldest(id: string): string {
    const parent_id = this.rows.parentOf(id);
    return parent_id?.startsWith("tok_") === true ? this.eldest(parent_id) : id;
  }

  /** Tokens of a kind, live or dead unless one is asked for, newest first, below the id `before`. */
  list(
    kind: TokenKind,
    before: string | undefined,
    limit: number,
    reach: Reach = null,
    { q, state }: TokenFilter = {},
  ): Token[] {
    // Only what is asked: a list without a filter walks one index and nothing else.
    const asked: { where: string; values: (string | number | null)[] }[] = [
      withinSql("policy -> '$.keys'", reach),
      ...(q === undefined ? [] : [{ where: "instr(lower(name), lower(?)) > 0", values: [q] }]),
      ...(state === undefined
        ? []
        : [{ where: `(${LIVES}) = ?`, values: [...livesAt(Date.now()), Number(state === "live")] }]),
    ];
    const where = asked.map((each) => each.where).join(" AND ");
    const values = asked.flatMap((each) => each.values);
    return this.select(
      `kind = ? AND id < ? AND ${where} ORDER BY id DESC LIMIT +?`,
      kind,
      before ?? "~",
      ...values,
      limit,
    );
  }

  /** Browsers that are signed in, newest first, below the id `before`. */
  signedIn(now: number, before?: string, limit?: number): Token[] {
    const older = this.live("ses", now).filter((id) => id < (before ?? "~"));
    const page = older.toReversed().slice(0, limit);
    return page.map((id) => this.must(id));
  }

  /** Sessions that must end so that one more has room: a sign-in is never refused, the oldest make way. */
  sessionsInTheWay(now: number): string[] {
    const live = this.live("ses", now);
    return live.slice(0, Math.max(0, live.length - limitOf("ses") + 1));
  }

  /** Ids of live tokens of a kind, of one parent or all, oldest first. */
  live(kind: TokenKind, now: number, parent_id?: string): string[] {
    return this.rows.live(kind, now, parent_id);
  }

  /** Stores a new token; one too many of its kind is refused, and while the vault is frozen all but a sign-in. */
  add(token: NewToken, now: number): Token {
    if (token.kind !== "ses") this.assertThawed();
    this.assertRoom(token.kind, now);
    return this.must(this.rows.add(token, now));
  }

  /** Refuses where a vault holds as many live tokens of a kind as it may. */
  assertRoom(kind: TokenKind, now: number): void {
    // Each grant has one, and grants are counted.
    if (kind === "oat" || this.live(kind, now).length < limitOf(kind)) return;
    throw new Problem("conflict", "A vault holds no more live tokens of this kind; revoke some first.");
  }

  /** Takes back the end of a token; of what was minted by it nothing is said. */
  reinstate(id: string): void {
    this.write(id, "revoked_at = NULL");
  }

  /**
   * Ends a token for ever, and in the same step all that was minted by it (SECURITY S3). The rows stay, so that their refusals
   * can be told. Answers the ids of all that died of it: what each has open is to be cut.
   */
  revoke(id: string, now: number): string[] {
    this.write(id, "revoked_at = coalesce(revoked_at, ?)", now);
    return [id, ...this.revokeChildren(id, now)];
  }

  /** Ends all that was minted by a token, a device or a grant, and by what those minted. Answers whoever was not dead before. */
  revokeChildren(parent_id: string, now: number): string[] {
    return this.rows.liveChildren(parent_id).flatMap((id) => this.revoke(id, now));
  }

  pause(id: string, now: number): void {
    this.write(id, "paused_at = coalesce(paused_at, ?)", now);
  }

  resume(id: string): void {
    this.write(id, "paused_at = NULL");
  }

  /** Keeps a session alive: it was seen now and lives until `expires_at`. */
  touch(id: string, now: number, expires_at: number): void {
    this.write(id, "seen_at = ?, expires_at = ?", now, expires_at);
  }

  rename(id: string, name: string): void {
    this.write(id, "name = ?", name);
  }

  /** Writes into what asks, a token's policy or a grant, that this address need not be asked for any more. */
  allowAlways(id: string, call: AllowedCall): void {
    if (this.grants.find(id) !== undefined) return this.grants.allowAlways(id, call);
    const policy = this.find(id)?.policy;
    if (policy?.ask === undefined) return;
    this.write(id, "policy = ?", JSON.stringify({ ...policy, ask: allowing(policy.ask, call) }));
  }

  /** Lets a token that is held to certain keys use one more. */
  addKey({ id, policy }: Token, key_id: string): void {
    if (policy.keys === undefined) return;
    this.write(id, "policy = ?", JSON.stringify({ ...policy, keys: [...policy.keys, key_id] }));
  }

  /** Adds what rows that leave for D1 say about a token's use. */
  addUse(id: string, uses: number, refused: number, last_used_at: number | null): void {
    this.write(
      id,
      "uses = uses + ?, refused = refused + ?, last_used_at = max(coalesce(last_used_at, 0), coalesce(?, last_used_at))",
      uses,
      refused,
      last_used_at,
    );
  }
}
