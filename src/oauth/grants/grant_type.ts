import type { Config } from "../../config.ts";
import type { Origin } from "../../vault/audit.ts";
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
