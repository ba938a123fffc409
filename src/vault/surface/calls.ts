import type { Connection, ConnectionContext } from "partyserver";
import { answer, answerAsync, type Answer } from "../answer.ts";
import type { Origin } from "../audit/row.ts";
import type { Caller } from "../tokens/caller.ts";
import type { Ask, Dispatch, Settlement } from "../calls/dispatch.ts";
import { leaseHash, newLease, tagOf, UNKNOWN_LEASE } from "../calls/leashes.ts";
import { CUT, type LeashState } from "../calls/telling.ts";
import { forCaller, live, held } from "../surface.ts";
import { VisitSurface } from "./visits.ts";

/** Calls: the one question of a proxied call, how it ended, and the leash that stops it in between (SECURITY S6). */
export abstract class CallSurface extends VisitSurface {
  /** The one question of a proxied call; earlier calls' outcomes ride along. */
  authorize(ask: Ask, settled: readonly Settlement[]): Promise<Answer<Dispatch>> {
    return answerAsync(async () => {
      const { audit, turnstile, restore_watch, sealer } = this[live]();
      sealer.wake();
      const looking = restore_watch.look(Date.now());
      if (looking !== undefined) await looking;
      // Where the newest call has come back, its row is on disk.
      const turn = turnstile.enter(settled.at(-1)?.seq === audit.heads.head_seq);
      if (turn !== undefined) await turn;
      const { gate } = this[live]();
      if (settled.length > 0) gate.settle(settled);
      return gate.authorize(ask);
    });
  }

  /** A test call that somebody who manages the vault makes with a key. */
  tryKey(caller: Caller, ask: Omit<Ask, "hash" | keyof Origin>): Promise<Answer<Dispatch>> {
    return this[forCaller](caller, ({ gate }, by) => gate.tryKey(by, { ...ask, ...caller.origin }));
  }

  settle(settled: readonly Settlement[]): Answer<void> {
    return answer(() => this[live]().gate.settle(settled));
  }

  /** Only routers come here, with a leash to open; nothing else is served, and a name without a vault is left untouched. */
  override async fetch(request: Request): Promise<Response> {
    if (this[held] === undefined || request.headers.get("upgrade") !== "websocket")
      return new Response(null, { status: 404 });
    return super.fetch(request);
  }

  override getConnectionTags(_connection: Connection, { request }: ConnectionContext): string[] {
    const { seq, lease } = leaseOf(request);
    const decision = this[live]().under_way.leased(seq, lease);
    if (decision === undefined) return [];
    const { actor, token = actor.id, generation, key = "" } = decision;
    const tags = [tagOf.all, tagOf.seq(seq), tagOf.token(actor.id), tagOf.token(token), tagOf.key(key)];
    if (generation !== undefined) tags.push(tagOf.generation(token, generation));
    const parent_id = this[live]().tokens.find(token)?.parent_id ?? null;
    if (parent_id !== null) tags.push(tagOf.mintedBy(parent_id));
    return [...new Set(tags)];
  }

  /** Accepting a leash and asking whether its decision still stands is one synchronous step. */
  override onConnect(connection: Connection<LeashState>, { request }: ConnectionContext): void {
    const { audit, under_way, gate, leashes, tokens } = this[live]();
    const { seq, lease } = leaseOf(request);
    const decision = under_way.leased(seq, lease);
    if (decision === undefined) return connection.close(CUT, UNKNOWN_LEASE);
    // By deriving others a token has no more of them open.
    const token_id = tokens.eldest(decision.token ?? decision.actor.id);
    const refused = gate.stands(decision)?.rule ?? (leashes.hasRoom(token_id) ? undefined : "leash_limit");
    if (refused !== undefined) {
      audit.settle(seq, { outcome: "cut", rule: refused }, Date.now());
      return connection.close(CUT, refused);
    }
    const next = newLease();
    under_way.hold(seq, next.hash);
    const state = { seq, token_id, router: request.headers.get("x-leash-router") ?? undefined };
    connection.setState(state);
    leashes.opened(connection, state);
    connection.send(JSON.stringify({ lease: next.lease, ...gate.term(decision) }));
  }

  /** A router tells the upstream's status once it is known, and the outcome when it lets go. */
  override onMessage(connection: Connection<LeashState>, message: string | ArrayBuffer | ArrayBufferView): void {
    if (typeof message !== "string" || connection.state === null) return;
    const said = JSON.parse(message) as { status?: number; settle?: Settlement | null };
    if (said.status !== undefined) connection.setState({ ...connection.state, status: said.status });
    if (said.settle?.outcome !== undefined) this[held]?.gate.settle([{ ...said.settle, seq: connection.state.seq }]);
  }

  /** A leash that was told to end is expected, and has nothing to say: by the thousand they come here without partyserver's ado. */
  override async webSocketClose(
    socket: WebSocket,
    ...how: [code: number, reason: string, clean: boolean]
  ): Promise<void> {
    if (this[held]?.leashes.ended(socket) !== true) await super.webSocketClose(socket, ...how);
  }

  override async webSocketError(socket: WebSocket, fault: unknown): Promise<void> {
    if (this[held]?.leashes.ended(socket) !== true) await super.webSocketError(socket, fault);
  }

  override onClose(connection: Connection<LeashState>): void {
    const parts = this[held];
    const was_cut = parts?.leashes.closed(connection) ?? false;
    if (!was_cut && connection.state !== null) parts?.housekeeping.letGo(connection.state.seq);
  }

  override onError(connection: Connection<LeashState>): void {
    this.onClose(connection);
  }
}

/** A leash is asked for by headers that only our router sets: clients' requests never reach an object. */
function leaseOf(request: Request): { seq: number; lease: string } {
  return {
    seq: Number(request.headers.get("x-leash-seq")),
    lease: leaseHash(request.headers.get("x-leash-lease") ?? ""),
  };
}
