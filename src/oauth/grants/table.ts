import { authorizationCode } from "./authorization_code.ts";
import { deviceCode } from "./device_code.ts";
import type { GrantType } from "./grant_type.ts";
import { refreshToken } from "./refresh_token.ts";
import { tokenExchange } from "./token_exchange.ts";

/** RFC 8693 §2.1. The one grant type for which nobody registers: the token that is shown is the proof. */
export const TOKEN_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange";

/** Every grant type that `/token` serves, by its name on the wire: one file each. */
export const GRANT_TYPES: Readonly<Record<string, GrantType>> = {
  authorization_code: authorizationCode,
  refresh_token: refreshToken,
  // RFC 8628 §3.4.
  "urn:ietf:params:oauth:grant-type:device_code": deviceCode,
  [TOKEN_EXCHANGE]: tokenExchange,
};
