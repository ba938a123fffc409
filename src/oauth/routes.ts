import { Hono } from "hono";
import { authorization, type AuthorizationPages } from "./authorize.ts";
import { deviceAuthorization } from "./device_authorization.ts";
import { discovery } from "./metadata.ts";
import { ownTokens } from "./own_tokens.ts";
import { registration } from "./register.ts";
import { token } from "./token.ts";

/** The authorization server (OAuth 2.1): one file an endpoint. */
export function oauth(pages: AuthorizationPages) {
  return new Hono<{ Bindings: Env }>()
    .route("/", discovery)
    .route("/", registration)
    .route("/", token)
    .route("/", ownTokens)
    .route("/", deviceAuthorization)
    .route("/", authorization(pages));
}
