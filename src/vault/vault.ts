import type { Connection, ConnectionContext } from "partyserver";
import { configOf } from "../config.ts";
import { Problem } from "../problem.ts";
import type { ActivityFilter, Tally } from "./activity_filter.ts";
import { answer, answerAsync, type Answer } from "./answer.ts";
import type { AuditRow, ChainHeads, Origin } from "./audit.ts";
import type { Caller } from "./caller.ts";
import {
  changeKey,
  keyDetails,
  revealKeys,
  rollBackKey,
  rotateKey,
  type KeyDetails,
  type NewVersion,
} from "./change_keys.ts";
import { createEntryLink, readEntryLink, useEntryLink, type EntryPage } from "./entry_links.ts";
import { examine, type Finding } from "./doctor.ts";
import type { Ask, Dispatch, Settlement } from "./gate.ts";
import type { Identity, LinkedIdentity } from "./identities.ts";
import type { ApiKey, KeyChanges, KeyFilter, NewKey } from "./keys.ts";
import { CUT, leaseHash, newLease, tagOf, type LeashState } from "./leashes.ts";
import { ClosedServer } from "./closed_server.ts";
import { createKey, deleteKey, pauseKey, resumeKey } from "./manage_keys.ts";
import {
  appToken,
  createToken,
  endToken,
  pauseToken,
  resumeToken,
  session,
  withUses,
  type PolicyInput,
} from "./manage_tokens.ts";
import { inventory, type Inventory } from "./inventory.ts";
import { vaultExists } from "./migrate.ts";
import { admit, assemble, type Parts } from "./parts.ts";
import type { Receipt } from "./receipt.ts";
import { Sealer, type Secret } from "./sealer.ts";
import {
  accountIdOf,
  accountNameOf,
  assertAccount,
  layFoundation,
  linkIdentity,
  nameAccount,
  startSession,
} from "./sign_in.ts";
import type { Token } from "./tokens.ts";

/** Whose vault it is, and as whom the caller is signed in. */
type Me = { account_id: string; name: string | null; identities: LinkedIdentity[]; session: Token };

/**
 * One person's vault. This class is the RPC surface, one line a method, and the vault's end of the leashes; what happens is
 * in the parts. An object that holds no vault answers `gone` to everything and writes nothing (SECURITY S13).
 */
export class UserVault extends ClosedServer {
  static override options = { hibernate: true };

  #parts: Parts | undefined;

  constructor(ctx: DurableObjectState, env: Env) {
    super(ctx, env);
    ctx.setWebSocketAutoResponse(new WebSocketRequestResponsePair("ping", "pong"));
    if (vaultExists(ctx.storage.sql)) this.#parts = assemble(ctx.storage, env, this.name, this);
  }

  // Signing in

  /** Makes this vault for its first identity. Doing it again changes nothing; for another account it is refused. */
  create(account_id: string, identity: Identity): Promise<Answer<void>> {
    return answerAsync(async () => {
      const { storage } = this.ctx;
      if (this.#parts === undefined) {
        const sealer = new Sealer(storage.sql, this.env.BLOBS, configOf(this.env).root_keys, this.name);
        const data_key = await sealer.prepare();
        if (this.#parts === undefined) {
          layFoundation(storage, sealer, account_id, data_key, Date.now());
          this.#parts = assemble(storage, this.env, this.name, this);
          return this.#parts.identities.put(identity, Date.now());
        }
        await sealer.discard(data_key);
      }
      assertAccount(this.#parts, account_id);
    });
  }

  signIn(account_id: string, identity: Identity, origin: Origin): Answer<{ token: string; expires_at: number }> {
    return answer(() => startSession(this.#live("gone"), account_id, identity, origin));
  }

  /** Lets another identity sign in here. */
  link(caller: Caller, identity: Identity): Answer<void> {
    return answer(() => linkIdentity(this.#liveFor(caller), caller, identity));
  }

  signOut(caller: Caller): Promise<Answer<Receipt>> {
    return answerAsync(() => endToken(this.#liveFor(caller), caller, "session.revoke", (self) => self));
  }

  me(caller: Caller): Answer<Me> {
    return this.#read(caller, (parts, session) => ({
      account_id: accountIdOf(parts),
      name: accountNameOf(parts),
      identities: parts.identities.list(),
      session,
    }));
  }

  nameAccount(caller: Caller, name: string): Promise<Answer<void>> {
    return this.#change(caller, (parts) => nameAccount(parts, caller, name));
  }

  /** What the owner should look at. */
  doctor(caller: Caller): Answer<Finding[]> {
    return this.#read(caller, (parts) => examine({ ...inventory(parts), now: Date.now() }));
  }

  /** Everything that is kept about this account, but for secrets and activity. */
  inventory(caller: Caller): Answer<Inventory> {
    return this.#read(caller, inventory);
  }

  // Keys

  createKey(caller: Caller, key: NewKey, secret: Secret): Promise<Answer<ApiKey>> {
    return this.#change(caller, (parts) => createKey(parts, caller, key, secret));
  }

  listKeys(caller: Caller, before: string | undefined, limit: number, filter: KeyFilter): Answer<ApiKey[]> {
    return this.#read(caller, ({ keys }) => keys.list(before, limit, filter));
  }

  getKey(caller: Caller, ref: string): Answer<KeyDetails> {
    return this.#read(caller, (parts) => keyDetails(parts, ref));
  }

  pauseKey(caller: Caller, ref: string): Promise<Answer<ApiKey>> {
    return this.#change(caller, (parts) => pauseKey(parts, caller, ref));
  }

  resumeKey(caller: Caller, ref: string): Promise<Answer<ApiKey>> {
    return this.#change(caller, (parts) => resumeKey(parts, caller, ref));
  }

  /** A new secret, with where it may go. */
  rotateKey(caller: Caller, ref: string, next: NewVersion): Promise<Answer<ApiKey>> {
    return this.#change(caller, (parts) => rotateKey(parts, caller, ref, next));
  }

  rollBackKey(caller: Caller, ref: string, version: number | undefined): Promise<Answer<ApiKey>> {
    return this.#change(caller, (parts) => rollBackKey(parts, caller, ref, version));
  }

  changeKey(caller: Caller, ref: string, changes: KeyChanges): Promise<Answer<ApiKey>> {
    return this.#change(caller, (parts) => changeKey(parts, caller, ref, changes));
  }

  /** Never repeated from memory: each reveal is asked for and recorded. */
  revealKeys(caller: Caller, refs: readonly string[]): Promise<Answer<{ key: ApiKey; secret: Secret }[]>> {
    return answerAsync(() => revealKeys(this.#liveFor(caller), caller, refs));
  }

  createEntryLink(caller: Caller, ref: string): Promise<Answer<{ handle: string; expires_at: number }>> {
    return this.#change(caller, (parts) => createEntryLink(parts, caller, ref));
  }

  readEntryLink(caller: Caller, handle: string): Answer<EntryPage> {
    return answer(() => readEntryLink(this.#liveFor(caller), caller, handle));
  }

  useEntryLink(caller: Caller, handle: string, secret: Secret): Promise<Answer<ApiKey>> {
    return answerAsync(() => useEntryLink(this.#liveFor(caller), caller, handle, secret));
  }

  deleteKey(caller: Caller, ref: string): Promise<Answer<Receipt>> {
    return this.#change(caller, (parts) => deleteKey(parts, caller, ref));
  }

  // Tokens

  createToken(caller: Caller, name: string, policy: PolicyInput): Promise<Answer<{ token: string; row: Token }>> {
    return this.#change(caller, (parts) => createToken(parts, caller, name, policy));
  }

  revokeSession(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this.#change(caller, (parts) => endToken(parts, caller, "session.revoke", () => session(parts, id)));
  }

  listTokens(caller: Caller, kind: "app" | "ses", before: string | undefined, limit: number): Answer<Token[]> {
    return this.#read(caller, (parts) => withUses(parts, parts.tokens.list(kind, before, limit)));
  }

  getToken(caller: Caller, id: string): Answer<Token> {
    return this.#read(caller, (parts) => appToken(parts, id));
  }

  pauseToken(caller: Caller, id: string): Promise<Answer<Token>> {
    return this.#change(caller, (parts) => pauseToken(parts, caller, id));
  }

  resumeToken(caller: Caller, id: string): Promise<Answer<Token>> {
    return this.#change(caller, (parts) => resumeToken(parts, caller, id));
  }

  revokeToken(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this.#change(caller, (parts) => endToken(parts, caller, "token.revoke", () => appToken(parts, id)));
  }

  // Calls

  /** The one question of a proxied call; earlier calls' outcomes ride along. */
  authorize(ask: Ask, settled: readonly Settlement[]): Promise<Answer<Dispatch>> {
    return answerAsync(async () => {
      const { turnstile } = this.#live();
      await turnstile.enter();
      const { gate } = this.#live();
      if (settled.length > 0) gate.settle(settled);
      return gate.authorize(ask);
    });
  }

  /** A test call that somebody who manages the vault makes with a key. */
  tryKey(caller: Caller, ask: Omit<Ask, "hash" | keyof Origin>): Promise<Answer<Dispatch>> {
    return answerAsync(() => {
      const parts = this.#live();
      return parts.gate.tryKey(admit(parts, caller), { ...ask, ...caller.origin });
    });
  }

  settle(settled: readonly Settlement[]): Answer<void> {
    return answer(() => this.#live().gate.settle(settled));
  }

  // Audit

  /** Rows that are not yet in D1, newest first below `before`, and the heads of both chains. */
  activity(
    caller: Caller,
    before: number,
    limit: number,
    filter: ActivityFilter = {},
  ): Answer<{ rows: AuditRow[]; heads: ChainHeads }> {
    return this.#read(caller, ({ audit }) => ({ rows: audit.latest(before, limit, filter), heads: audit.heads }));
  }

  tally(caller: Caller, bucket: "hour" | "day", since: string): Answer<{ tally: Tally[]; held: number[] }> {
    return this.#read(caller, ({ audit }) => audit.tally(bucket, since));
  }

  // Leashes (SECURITY S6)

  /** Only routers come here, with a leash to open; nothing else is served, and a name without a vault is left untouched. */
  override async fetch(request: Request): Promise<Response> {
    if (this.#parts === undefined || request.headers.get("upgrade") !== "websocket")
      return new Response(null, { status: 404 });
    return super.fetch(request);
  }

  override getConnectionTags(_connection: Connection, { request }: ConnectionContext): string[] {
    const { seq, lease } = leaseOf(request);
    const decision = this.#live().under_way.leased(seq, lease);
    if (decision === undefined) return [];
    return [tagOf.all, tagOf.seq(seq), tagOf.token(decision.actor.id), tagOf.key(decision.key ?? "")];
  }

  /** Accepting a leash and asking whether its decision still stands is one synchronous step. */
  override onConnect(connection: Connection<LeashState>, { request }: ConnectionContext): void {
    const { audit, under_way, gate, leashes } = this.#live();
    const { seq, lease } = leaseOf(request);
    const decision = under_way.leased(seq, lease);
    if (decision === undefined) return connection.close(CUT, "lease");
    const token_id = decision.actor.id;
    const refused = gate.stands(decision)?.rule ?? (leashes.hasRoom(token_id) ? undefined : "leash_limit");
    if (refused !== undefined) {
      audit.settle(seq, { outcome: "cut", rule: refused }, Date.now());
      return connection.close(CUT, refused);
    }
    const next = newLease();
    under_way.hold(seq, next.hash);
    const state = { seq, token_id };
    connection.setState(state);
    leashes.opened(connection, state);
    connection.send(JSON.stringify({ lease: next.lease }));
  }

  /** A router tells the upstream's status once it is known, and the outcome when it lets go. */
  override onMessage(connection: Connection<LeashState>, message: string | ArrayBuffer | ArrayBufferView): void {
    if (typeof message !== "string" || connection.state === null) return;
    const said = JSON.parse(message) as { status?: number; settle?: Settlement };
    if (said.status !== undefined) connection.setState({ ...connection.state, status: said.status });
    if (said.settle !== undefined) this.#live().gate.settle([{ ...said.settle, seq: connection.state.seq }]);
  }

  override onClose(connection: Connection<LeashState>): void {
    const { leashes, housekeeping } = this.#live();
    leashes.closed(connection);
    if (connection.state !== null) housekeeping.letGo(connection.state.seq);
  }

  override onError(connection: Connection<LeashState>): void {
    this.onClose(connection);
  }

  // Later

  override async alarm(): Promise<void> {
    await this.#parts?.jobs.run(this.#parts.housekeeping.handlers);
  }

  // Inside

  /** The parts, or a refusal: to a token its vault's absence means that it is dead. */
  #live(code: "invalid_token" | "gone" = "invalid_token"): Parts {
    if (this.#parts === undefined) throw new Problem(code, "There is no such vault.");
    return this.#parts;
  }

  /** The parts, for a caller who may ask this. */
  #liveFor(caller: Caller): Parts {
    const parts = this.#live();
    admit(parts, caller);
    return parts;
  }

  /** A mutation: done once, however often it is asked for under one Idempotency-Key. */
  #change<T>(caller: Caller, work: (parts: Parts) => T | Promise<T>): Promise<Answer<T>> {
    return answerAsync(() => {
      const parts = this.#live();
      const { id } = admit(parts, caller);
      return parts.idempotency.once(id, caller.repeatable, () => work(parts));
    });
  }

  #read<T>(caller: Caller, work: (parts: Parts, by: Token) => T): Answer<T> {
    return answer(() => work(this.#live(), admit(this.#live(), caller)));
  }
}

/** A leash is asked for by headers that only our router sets: clients' requests never reach an object. */
function leaseOf(request: Request): { seq: number; lease: string } {
  return {
    seq: Number(request.headers.get("x-leash-seq")),
    lease: leaseHash(request.headers.get("x-leash-lease") ?? ""),
  };
}
