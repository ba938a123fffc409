import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import type { Scope } from "../vault/policy/scopes.ts";

/** What a client is asked to ask for: all that is useful, of which the person may untick any. Never the gravest (CONTRACT §6). */
const USEFUL: readonly Scope[] = ["vault:read", "vault:proxy", "vault:write"];

export const ALLOWED_METHODS = "POST, GET, DELETE, OPTIONS";

/** JSON-RPC's code for a refusal that is about the transport, not about a method. */
const SERVER_ERROR = -32_000;
const SESSION_NOT_FOUND = -32_001;

/** A refusal of the whole request, as JSON-RPC words it: the id is unknown or does not matter. */
export function refusal(problem: Problem): Response {
  const { status, code } = problem;
  const { retry_after_s, rule, request_id } = problem.extras;
  const headers = retry_after_s === undefined ? {} : { "retry-after": String(retry_after_s) };
  const error = {
    code: rule === "session" ? SESSION_NOT_FOUND : SERVER_ERROR,
    message: problem.message,
    data: { code, rule, request_id },
  };
  return Response.json({ jsonrpc: "2.0", error, id: null }, { status, headers });
}

/** A request that is no message of the protocol at all. */
export function malformed(code: number, message: string, status = 400): Response {
  return Response.json({ jsonrpc: "2.0", error: { code, message }, id: null }, { status });
}

export function methodNotAllowed(): Response {
  const answer = refusal(new Problem("method_not_allowed", "Send a POST; GET and DELETE are for sessions."));
  answer.headers.set("allow", ALLOWED_METHODS);
  return answer;
}

/** 401: says where to sign in and what to ask for (RFC 6750 §3, RFC 9728 §5.1). */
export function challenge(config: Config, problem: Problem): Response {
  const had_token = problem.extras.anonymous !== true;
  const parameters = {
    resource_metadata: metadataUrl(config),
    scope: USEFUL.join(" "),
    ...(had_token ? { error: "invalid_token", error_description: problem.message } : {}),
  };
  return challenged(401, had_token ? "invalid_token" : "unauthorized", problem.message, parameters);
}

/** 403: the scopes that this operation needs beside those that the client has (RFC 6750 §3.1). */
export function stepUp(config: Config, scopes: readonly Scope[], message: string): Response {
  const scope = scopes.join(" ");
  const parameters = {
    error: "insufficient_scope",
    scope,
    resource_metadata: metadataUrl(config),
    error_description: message,
  };
  return challenged(403, "insufficient_scope", message, parameters);
}

function challenged(status: number, error: string, message: string, parameters: Record<string, string>): Response {
  const quoted = Object.entries(parameters).map(([name, value]) => `${name}="${value.replace(/["\\]/g, "'")}"`);
  const headers = { "www-authenticate": `Bearer ${quoted.join(", ")}` };
  return Response.json({ error, error_description: message }, { status, headers });
}

function metadataUrl({ public_origin }: Config): string {
  return `${public_origin}/.well-known/oauth-protected-resource/v1/mcp`;
}
