import type { Answer } from "../answer.ts";
import type { Caller } from "../caller.ts";
import {
  appToken,
  createToken,
  endToken,
  pauseToken,
  resumeToken,
  session,
  withUses,
  type PolicyInput,
} from "../manage_tokens.ts";
import type { Receipt } from "../receipt.ts";
import { change, read } from "../surface.ts";
import type { Token } from "../tokens.ts";
import { KeySurface } from "./keys.ts";

/** App tokens and sessions. */
export abstract class TokenSurface extends KeySurface {
  createToken(caller: Caller, name: string, policy: PolicyInput): Promise<Answer<{ token: string; row: Token }>> {
    return this[change](caller, (parts) => createToken(parts, caller, name, policy));
  }

  revokeSession(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[change](caller, (parts) => endToken(parts, caller, "session.revoke", () => session(parts, id)));
  }

  listTokens(caller: Caller, kind: "app" | "ses", before: string | undefined, limit: number): Answer<Token[]> {
    return this[read](caller, (parts) => withUses(parts, parts.tokens.list(kind, before, limit)));
  }

  getToken(caller: Caller, id: string): Answer<Token> {
    return this[read](caller, (parts) => appToken(parts, id));
  }

  pauseToken(caller: Caller, id: string): Promise<Answer<Token>> {
    return this[change](caller, (parts) => pauseToken(parts, caller, id));
  }

  resumeToken(caller: Caller, id: string): Promise<Answer<Token>> {
    return this[change](caller, (parts) => resumeToken(parts, caller, id));
  }

  revokeToken(caller: Caller, id: string): Promise<Answer<Receipt>> {
    return this[change](caller, (parts) => endToken(parts, caller, "token.revoke", () => appToken(parts, id)));
  }
}
