import { answer, answerAsync, type Answer } from "../answer.ts";
import type { Caller } from "../tokens/caller.ts";
import { forCaller, live } from "../surface.ts";
import {
  endSession,
  greet,
  GUESTS,
  openSession,
  READINGS,
  readForTool,
  recordTool,
  spend,
  type Guest,
  type Reading,
  type ReadingTool,
  type ToolCall,
} from "../calls/visit.ts";
import { AccountSurface } from "./account.ts";

/** Whoever comes to `/v1/mcp`: who they are, their sessions, what they called. */
export abstract class VisitSurface extends AccountSurface {
  /** Asked with every request, before any session's object is touched. */
  greet(caller: Caller, session_id: string | null): Answer<Guest> {
    return answer(() => greet(this[forCaller](caller), caller, session_id));
  }

  /**
   * A tool that only reads, in one step: its caller is known, the question answered and the row written, with those of whoever else
   * comes meanwhile. Refused as a whole where they are not let in; what they may not see is refused inside.
   */
  readForTool(caller: Caller, { name, args }: Reading, call: ReadingTool): Promise<Answer<Answer<unknown>>> {
    return answerAsync(async () => {
      if (!(READINGS as readonly string[]).includes(name)) throw new Error("this is no reading");
      const arrived_at = Date.now();
      await this[live]().turnstile.enter();
      const latency_ms = call.latency_ms + Date.now() - arrived_at;
      const parts = this[forCaller]({ ...caller, may: GUESTS });
      const read = this[name].bind(this) as (caller: Caller, ...args: readonly unknown[]) => Answer<unknown>;
      return readForTool(parts, caller, { ...call, latency_ms }, () => read(caller, ...args));
    });
  }

  openSession(caller: Caller): Answer<string> {
    return answer(() => openSession(this[forCaller](caller), caller));
  }

  endSession(caller: Caller, session_id: string): Promise<Answer<void>> {
    return answerAsync(() => endSession(this[forCaller](caller), caller, session_id));
  }

  /** An answer that a client brought back counts once. */
  spend(caller: Caller, nonce: string, expires_at: number): Answer<void> {
    return answer(() => spend(this[forCaller](caller), caller, nonce, expires_at));
  }

  recordTool(caller: Caller, call: ToolCall): Promise<Answer<void>> {
    return answerAsync(async () => {
      await this[live]().turnstile.enter();
      recordTool(this[live](), caller, call);
    });
  }
}
