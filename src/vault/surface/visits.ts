import { Problem } from "../../problem.ts";
import { answerAsync, type Answer } from "../answer.ts";
import { READINGS, type Reading } from "../calls/readings.ts";
import {
  endSession,
  greet,
  GUESTS,
  openSession,
  readForTool,
  recordTool,
  spend,
  type Guest,
  type ReadingTool,
  type ToolCall,
} from "../calls/visit.ts";
import { admit, type Parts } from "../parts.ts";
import { within } from "../policy/reach.ts";
import { caughtUp, forCaller, live } from "../surface.ts";
import type { Caller } from "../tokens/caller.ts";
import { AccountSurface } from "./account.ts";

/** Whoever comes to `/v1/mcp`: who they are, their sessions, what they called. */
export abstract class VisitSurface extends AccountSurface {
  /** Asked with every request, before any session's object is touched. */
  greet(caller: Caller, session_id: string | null): Promise<Answer<Guest>> {
    return this[forCaller](caller, (parts, by) => greet(parts, by, session_id));
  }

  /**
   * A tool that only reads, in one step: its caller is known, the question answered and the row written, with those of whoever else
   * comes meanwhile. Refused as a whole where they are not let in; what they may not see is refused inside. What is inside, an
   * {@link Answer}, crosses as JSON: that costs a fraction of having the runtime copy it field by field.
   */
  readForTool(caller: Caller, { name, args }: Reading, call: ReadingTool): Promise<Answer<string>> {
    const arrived_at = Date.now();
    return this[caughtUp](async ({ turnstile }) => {
      if (!Object.hasOwn(READINGS, name)) throw new Error("this is no reading");
      await turnstile.enter();
      const parts = this[live]();
      const by = admit(parts, { ...caller, may: GUESTS });
      const seen = within(parts, by);
      const latency_ms = call.latency_ms + Date.now() - arrived_at;
      const read = READINGS[name] as (parts: Parts, ...args: readonly unknown[]) => unknown;
      return JSON.stringify(readForTool(seen, by, caller.origin, { ...call, latency_ms }, () => read(seen, ...args)));
    });
  }

  openSession(caller: Caller): Promise<Answer<string>> {
    return this[forCaller](caller, openSession);
  }

  endSession(caller: Caller, session_id: string): Promise<Answer<void>> {
    return this[forCaller](caller, (parts, by) => endSession(parts, by, session_id));
  }

  /** An answer that a client brought back counts once. */
  spend(caller: Caller, nonce: string, expires_at: number, asked_at: number): Promise<Answer<void>> {
    return this[forCaller](caller, (parts) => spend(parts, nonce, expires_at, asked_at));
  }

  recordTool(caller: Caller, call: ToolCall): Promise<Answer<void>> {
    return answerAsync(async () => {
      await this[live]().turnstile.enter();
      const parts = this[live]();
      const by = parts.tokens.byHash(caller.hash);
      if (by === undefined) throw new Problem("invalid_token", "This token is not known here.");
      recordTool(parts, by, caller.origin, call);
    });
  }
}
