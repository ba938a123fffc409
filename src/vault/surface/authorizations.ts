import { answer, type Answer } from "../answer.ts";
import type { Origin } from "../audit.ts";
import {
  beginConsent,
  decideConsent,
  redeemCode,
  type AuthorizationRequest,
  type CodeExchange,
  type ConsentAnswer,
  type ConsentDecision,
  type ConsentPage,
  type Issued,
} from "../authorizations.ts";
import type { Caller } from "../caller.ts";
import { forCaller, live } from "../surface.ts";
import { DeviceSurface } from "./devices.ts";

/** What the authorization server asks a vault: to keep a request, take a decision, give tokens for a code. */
export abstract class AuthorizationSurface extends DeviceSurface {
  beginConsent(caller: Caller, request: AuthorizationRequest): Answer<ConsentPage> {
    return answer(() => beginConsent(this[forCaller](caller), caller, request));
  }

  decideConsent(caller: Caller, handle: string, decision: ConsentDecision): Answer<ConsentAnswer> {
    return answer(() => decideConsent(this[forCaller](caller), caller, handle, decision));
  }

  redeemCode(exchange: CodeExchange, origin: Origin): Answer<Issued> {
    return answer(() => redeemCode(this[live](), exchange, origin));
  }
}
