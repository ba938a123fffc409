import type { Scope } from "../vault/policy/scopes.ts";
import type { Behalf } from "./tool.ts";
import { callerFor, vaultOf } from "./visit.ts";

/** The operations that a tool stands for read nothing of a request, so that one will do for all. */
const NO_REQUEST = new Request("https://mcp/");

/**
 * What an operation of the API works with, for a caller who has come by MCP: the same handlers, so that what a tool tells is what
 * the API tells. The vault judges the caller for the scope that is named here, not for the API's own row.
 */
export function operationOf(
  { env, visit, vault = vaultOf(env, visit) }: Behalf,
  scope: Scope,
  params: Record<string, string> = {},
) {
  return {
    env,
    request: NO_REQUEST,
    who: { vault_id: visit.vault_id, caller: callerFor(visit, scope) },
    vault,
    param: (name: string) => params[name] ?? "",
  };
}

/** What an operation answers, where it is known to be no file. */
export function answerOf<T>(answer: T | Response): T {
  if (answer instanceof Response) throw new Error("an operation answered with a file");
  return answer;
}
