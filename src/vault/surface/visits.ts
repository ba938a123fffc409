import { answer, answerAsync, type Answer } from "../answer.ts";
import type { Caller } from "../tokens/caller.ts";
import { forCaller, live } from "../surface.ts";
import { endSession, greet, openSession, recordTool, spend, type Guest, type ToolCall } from "../calls/visit.ts";
import { AccountSurface } from "./account.ts";

/** Whoever comes to `/v1/mcp`: who they are, their sessions, what they called. */
export abstract class VisitSurface extends AccountSurface {
  /** Asked with every request, before any session's object is touched. */
  greet(caller: Caller, session_id: string | null): Answer<Guest> {
    return answer(() => greet(this[forCaller](caller), caller, session_id));
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

  recordTool(caller: Caller, call: ToolCall): Answer<void> {
    return answer(() => recordTool(this[live](), caller, call));
  }
}
