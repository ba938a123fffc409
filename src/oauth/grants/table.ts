import { authorizationCode } from "./authorization_code.ts";
import { deviceCode } from "./device_code.ts";
import type { GrantType } from "./grant_type.ts";
import { refreshToken } from "./refresh_token.ts";

/** Every grant type that `/token` serves, by its name on the wire: one file each. */
export const GRANT_TYPES: Readonly<Record<string, GrantType>> = {
  authorization_code: authorizationCode,
  refresh_token: refreshToken,
  // RFC 8628 §3.4.
  "urn:ietf:params:oauth:grant-type:device_code": deviceCode,
};
