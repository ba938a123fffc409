import type { Answer } from "../answer.ts";
import { READINGS } from "../calls/readings.ts";
import type { Caller } from "../tokens/caller.ts";
import {
  giveTokenBack,
  appToken,
  appTokenDetails,
  createToken,
  endSessions,
  endToken,
  pauseToken,
  renameSession,
  resumeToken,
  session,
  type AppToken,
  type AppTokenDetails,
  type CreatedToken,
  type Rotation,
} from "../tokens/manage_tokens.ts";
import type { Issued } from "../tokens/families.ts";
import { changeToken, type TokenChanges } from "../tokens/change_token.ts";
import { deriveToken } from "../tokens/derive_token.ts";
import type { Explanation, Question } from "../policy/explain.ts";
import type { Receipt } from "../receipt.ts";
import type { Token } from "../tokens/token.ts";
import type { TokenFilter } from "../tokens/token_rows.ts";
import { refresh } from "../tokens/refresh.ts";
import type { PolicyInput } from "../policy/resolve_policy.ts";
import { caughtUp, change, end, narrow, read, stop } from "../surface.ts";
import { SpendSurface } from "./spend.ts";

/** App tokens and sessions. */
export abstract class TokenSurface extends SpendSurface {
  createToken(caller: Caller, name: string, policy: PolicyInput, rotation?: Rotation): Promise<Answer<CreatedToken>> {
    return this[change](caller, (parts) => createToken(parts, caller, name, policy, rotation));
  }

  /** The next tokens of an app token that rotates. Asking again is harmless by itself: no answer is remembered. */
  refreshToken({ kind, secret = "", origin }: Caller): Promise<Answer<Issued>> {
    return this[caughtUp]((parts) => refresh(parts, { kind, secret, origin }));
  }

  renameSession(caller: Caller, id: string, name: string): Promise<Answer<Token>> {
    return this[change](caller, (parts) => renameSession(parts, caller, id, name));
  }

  revokeSession(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[end](caller, id, (parts, effect) =>
      endToken(parts, caller, "session.revoke", () => session(parts, id), effect),
    );
  }

  /** Signs out everywhere. */
  revokeSessions(caller: Caller): Promise<Answer<Receipt>> {
    return this[stop](caller, (parts) => endSessions(parts, caller));
  }

  listSessions(caller: Caller, before: string | undefined, limit: number): Promise<Answer<Token[]>> {
    return this[read](caller, ({ tokens }) => tokens.signedIn(Date.now(), before, limit));
  }

  listTokens(
    caller: Caller,
    before: string | undefined,
    limit: number,
    filter: TokenFilter = {},
  ): Promise<Answer<AppToken[]>> {
    return this[read](caller, (parts) => READINGS.listTokens(parts, before, limit, filter));
  }

  getToken(caller: Caller, id: string): Promise<Answer<AppTokenDetails>> {
    return this[read](caller, (parts) => appTokenDetails(parts, id));
  }

  changeToken(caller: Caller, id: string, changes: TokenChanges): Promise<Answer<AppToken>> {
    return this[narrow](caller, (parts) => changeToken(parts, caller, id, changes));
  }

  /** A narrower token, for whoever holds an app token. */
  deriveToken(caller: Caller, name: string, policy: PolicyInput): Promise<Answer<CreatedToken>> {
    return this[change](caller, (parts) => deriveToken(parts, caller, name, policy));
  }

  explain(caller: Caller, question: Question): Promise<Answer<Explanation>> {
    return this[read](caller, (parts) => READINGS.explain(parts, question));
  }

  pauseToken(caller: Caller, id: string): Promise<Answer<AppToken>> {
    return this[stop](caller, (parts) => pauseToken(parts, caller, id));
  }

  resumeToken(caller: Caller, id: string): Promise<Answer<AppToken>> {
    return this[change](caller, (parts) => resumeToken(parts, caller, id));
  }

  giveTokenBack(caller: Caller, id: string): Promise<Answer<AppToken>> {
    return this[change](caller, (parts) => giveTokenBack(parts, caller, id));
  }

  revokeToken(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[stop](caller, (parts) => endToken(parts, caller, "token.revoke", () => appToken(parts, id)));
  }
}
