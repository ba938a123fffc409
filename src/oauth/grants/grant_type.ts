import type { Config } from "../../config.ts";
import type { GrantTokens } from "../../vault/tokens/access_tokens.ts";
import type { Origin } from "../../vault/audit/row.ts";
import type { Client } from "../client.ts";
import type { Form } from "../form.ts";

/** What a grant type works with. The client has proven itself. */
export type Asked = { env: Env; config: Config; client: Client; form: Form; origin: Origin };

/** RFC 6749 §5.1. */
export type TokenResponse = {
  access_token: string;
  token_type: "Bearer";
  expires_in?: number;
  refresh_token?: string;
  scope?: string;
} & Record<string, unknown>;

export type GrantType = (asked: Asked) => Promise<TokenResponse>;

/** Tokens of a grant as the wire wants them. */
export function tokenResponse({ token, expires_at, scopes, refresh_token }: GrantTokens): TokenResponse {
  return {
    access_token: token,
    token_type: "Bearer",
    expires_in: Math.max(0, Math.round((expires_at - Date.now()) / 1_000)),
    ...(refresh_token === undefined ? {} : { refresh_token }),
    scope: scopes.join(" "),
  };
}
