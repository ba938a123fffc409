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
import type { Token } from "../tokens/token.ts";
import { AccountSurface } from "./account.ts";

/** Whoever comes to `/v1/mcp`: who they are, their sessions, what they called. */
export abstract class VisitSurface extends AccountSurface {
  /** Asked with every request, before any session's object is touched. */
  greet(caller: Caller, session_id: string | null): Promise<Answer<Guest>> {
    return answerAsync(async () => greet(...(await this.#guest(caller)), session_id));
  }

  /**
   * A tool that only reads, in one step: its caller is known, the question answered and the row written, with those of whoever else
   * comes meanwhile. Refused as a whole where they are not let in; what they may not see is refused inside. What is inside, an
   * {@link Answer}, crosses as JSON: that costs a fraction of having the runtime copy it field by field.
   */
  readForTool(caller: Caller, { name, args }: Reading, call: ReadingTool): Promise<Answer<string>> {
    return answerAsync(async () => {
      if (!Object.hasOwn(READINGS, name)) throw new Error("this is no reading");
      const arrived_at = Date.now();
      await this[live]().turnstile.enter();
      const [parts, by] = await this.#guest({ ...caller, may: GUESTS });
      const latency_ms = call.latency_ms + Date.now() - arrived_at;
      const read = READINGS[name] as (parts: Parts, ...args: readonly unknown[]) => unknown;
      const seen = readForTool(parts, by, caller.origin, { ...call, latency_ms }, () => read(parts, ...args));
      return JSON.stringify(seen);
    });
  }

  openSession(caller: Caller): Promise<Answer<string>> {
    return answerAsync(async () => openSession(...(await this.#guest(caller))));
  }

  endSession(caller: Caller, session_id: string): Promise<Answer<void>> {
    return answerAsync(async () => endSession(...(await this.#guest(caller)), session_id));
  }

  /** An answer that a client brought back counts once. */
  spend(caller: Caller, nonce: string, expires_at: number): Promise<Answer<void>> {
    return answerAsync(async () => spend(await this[forCaller](caller), nonce, expires_at));
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

  /** Somebody who is let in, and the parts as they may see them. */
  async #guest(caller: Caller): Promise<[Parts, Token]> {
    const parts = await this[caughtUp]();
    const by = admit(parts, caller);
    return [within(parts, by), by];
  }
}
