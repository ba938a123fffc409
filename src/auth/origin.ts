import { withoutTokens } from "../crypto/token.ts";
import type { Origin } from "../vault/audit/row.ts";

/** Where a request came from. On one machine nothing stands in front of the Worker, so there is no such header. */
export function originOf(request: Request): Origin {
  return {
    ip: request.headers.get("cf-connecting-ip") ?? "127.0.0.1",
    country: typeof request.cf?.country === "string" ? request.cf.country : "XX",
    user_agent: withoutTokens(request.headers.get("user-agent") ?? "").slice(0, 256),
  };
}
