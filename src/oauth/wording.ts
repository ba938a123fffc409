import { asProblem, type Problem } from "../problem.ts";

/** Names and values that browsers' clients need on what they may call from anywhere; no cookie is read behind these. */
export const CORS = {
  "access-control-allow-origin": "*",
  "access-control-allow-methods": "GET, POST, PUT, DELETE, OPTIONS",
  "access-control-allow-headers":
    "Authorization, Content-Type, Accept, MCP-Protocol-Version, Mcp-Method, Mcp-Name, Mcp-Session-Id, Last-Event-ID, DPoP",
  "access-control-expose-headers": "WWW-Authenticate, Mcp-Session-Id, Retry-After, DPoP-Nonce",
  "access-control-max-age": "86400",
};

/** JSON that nobody may keep (RFC 6749 §5.1). */
export function json(body: unknown, status = 200, headers: Record<string, string> = {}): Response {
  return new Response(`${JSON.stringify(body)}\n`, {
    status,
    headers: {
      "content-type": "application/json",
      "cache-control": "no-store",
      pragma: "no-cache",
      "x-content-type-options": "nosniff",
      ...CORS,
      ...headers,
    },
  });
}

/** A refusal as OAuth words it (RFC 6749 §5.2). `scheme` is how the header may prove who asks (RFC 9110 §15.5.2). */
export function oauthRefusal(thrown: unknown, scheme: "Basic" | "Bearer" = "Basic"): Response {
  const problem = asProblem(thrown);
  const { retry_after_s } = problem.extras;
  const headers: Record<string, string> = {};
  if (retry_after_s !== undefined) headers["retry-after"] = String(retry_after_s);
  if (problem.status === 401) headers["www-authenticate"] = `${scheme} realm="API Locker"`;
  return json({ error: problem.oauth, error_description: describe(problem) }, statusOf(problem), headers);
}

/** Error descriptions are printable ASCII without quote and backslash (RFC 6749 §5.2). */
export function describe({ message }: Problem): string {
  return message.replace(/["\\]/g, "'").replace(/[^\x20-\x7e]/g, "?");
}

/** OAuth knows 400 and 401 for what a client did wrong; trouble of ours keeps its own number, so that nobody drops tokens for it. */
function statusOf({ status, code }: Problem): number {
  if (code === "invalid_client") return 401;
  if (code === "invalid_token") return 401;
  return status >= 500 || status === 429 || status === 413 || status === 415 ? status : 400;
}
