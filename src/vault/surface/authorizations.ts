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
    return answerAsync(async () => beginConsent(await this[forCaller](caller), caller, request));
  }

  decideConsent(caller: Caller, handle: string, decision: ConsentDecision): Promise<Answer<ConsentAnswer>> {
    return answerAsync(async () => decideConsent(await this[forCaller](caller), caller, handle, decision));
  }

  redeemCode(exchange: CodeExchange, origin: Origin): Promise<Answer<GrantTokens>> {
    return answerAsync(async () => redeemCode(await this[caughtUp](), exchange, origin));
  }

  refreshGrant(presented: PresentedRefresh): Promise<Answer<GrantTokens>> {
    return answerAsync(async () => refreshGrant(await this[caughtUp](), presented));
  }

  revokeShown(shown: Shown, origin: Origin): Promise<Answer<void>> {
    return answerAsync(() => revokeShown(this[live](), shown, origin));
  }

  introspect(shown: Shown): Promise<Answer<Introspection>> {
    return answerAsync(async () => introspect(await this[caughtUp](), shown));
  }
}
