import type { Connection, ConnectionContext } from "partyserver";
import { asProblem, problemResponse } from "../../problem.ts";
import { recognise } from "../tokens/caller.ts";
import { CUT, type LeashState } from "../calls/telling.ts";
import { isListener, listenerIn, type LiveState } from "../alerts/live.ts";
import { admit } from "../parts.ts";
import { held, live } from "../surface.ts";
import { CallSurface } from "./calls.ts";

/** Policy violation (RFC 6455 §7.4.1). */
const NOT_ALLOWED = 1008;

/** The live feed (SECURITY S24). Its connections stand beside the leashes, and nothing that a listener says is one's word. */
export abstract class LiveSurface extends CallSurface {
  /** Who may not listen is told before anything is accepted. */
  override async fetch(request: Request): Promise<Response> {
    const caller = listenerIn(request);
    if (caller === undefined) return super.fetch(request);
    try {
      await this[live]().restore_watch.look(Date.now());
      const parts = this[live]();
      admit(parts, caller, "read");
      parts.live.assertRoom();
      return await super.fetch(request);
    } catch (refused) {
      return problemResponse(asProblem(refused));
    }
  }

  override getConnectionTags(connection: Connection<LeashState>, context: ConnectionContext): string[] {
    const caller = listenerIn(context.request);
    if (caller === undefined) return super.getConnectionTags(connection, context);
    const { tokens, live: feeds } = this[live]();
    const token = tokens.byHash(caller.hash);
    return token === undefined ? [] : feeds.tags(token);
  }

  /** Judged again in the step that accepts: the token may have died since. */
  override onConnect(connection: Connection<LeashState>, context: ConnectionContext): void {
    const caller = listenerIn(context.request);
    if (caller === undefined) return super.onConnect(connection, context);
    const { tokens, live: feeds } = this[live]();
    try {
      const token = recognise(tokens, caller, Date.now(), "read");
      feeds.assertRoom();
      feeds.opened(connection as Connection as Connection<LiveState>, token);
    } catch (refused) {
      // Nothing may be thrown from here: partyserver would show the stack to whoever is connecting (DESIGN D8).
      const problem = asProblem(refused);
      connection.close(CUT, problem.extras.rule ?? problem.code);
    }
  }

  /** A listener has nothing to say but `ping`, which the runtime answers while the vault sleeps. */
  override onMessage(connection: Connection<LeashState>, message: string | ArrayBuffer | ArrayBufferView): void {
    if (isListener(connection)) return connection.close(NOT_ALLOWED, "nothing is taken here");
    super.onMessage(connection, message);
  }

  override onClose(connection: Connection<LeashState>): void {
    if (isListener(connection)) return this[held]?.live.closed();
    super.onClose(connection);
  }
}
