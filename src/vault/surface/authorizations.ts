import type { GrantTokens } from "../tokens/access_tokens.ts";
import { answerAsync, type Answer } from "../answer.ts";
import type { Origin } from "../audit/row.ts";
import {
  beginConsent,
  decideConsent,
  redeemCode,
  type AuthorizationRequest,
  type CodeExchange,
  type ConsentAnswer,
  type ConsentDecision,
  type ConsentPage,
} from "../tokens/authorizations.ts";
import type { Caller } from "../tokens/caller.ts";
import { introspect, refreshGrant, revokeShown, type Introspection, type Shown } from "../tokens/client_tokens.ts";
import type { PresentedRefresh } from "../tokens/refresh.ts";
import { caughtUp, forCaller, live } from "../surface.ts";
import { DeviceSurface } from "./devices.ts";

/** What the authorization server asks a vault: to keep a request, take a decision, give tokens for a code. */
export abstract class AuthorizationSurface extends DeviceSurface {
  beginConsent(caller: Caller, request: AuthorizationRequest): Promise<Answer<ConsentPage>> {
    return this[forCaller](caller, (parts) => beginConsent(parts, caller, request));
  }

  decideConsent(caller: Caller, handle: string, decision: ConsentDecision): Promise<Answer<ConsentAnswer>> {
    return this[forCaller](caller, (parts) => decideConsent(parts, caller, handle, decision));
  }

  redeemCode(exchange: CodeExchange, origin: Origin): Promise<Answer<GrantTokens>> {
    return this[caughtUp]((parts) => redeemCode(parts, exchange, origin));
  }

  refreshGrant(presented: PresentedRefresh): Promise<Answer<GrantTokens>> {
    return this[caughtUp]((parts) => refreshGrant(parts, presented));
  }

  revokeShown(shown: Shown, origin: Origin): Promise<Answer<void>> {
    return answerAsync(() => revokeShown(this[live](), shown, origin));
  }

  introspect(shown: Shown): Promise<Answer<Introspection>> {
    return this[caughtUp]((parts) => introspect(parts, shown));
  }
}
