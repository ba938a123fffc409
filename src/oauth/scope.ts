import { Problem } from "../problem.ts";
import { SCOPES, type Scope } from "../vault/policy/scopes.ts";

/**
 * Scopes of ours in a `scope` parameter, undefined where it names none at all. Others are passed over, `offline_access` among them:
 * refresh tokens are given anyway. Only others is a request that cannot be met.
 */
export function readScopes(text: string | undefined): Scope[] | undefined {
  const asked = (text ?? "").split(" ").filter((one) => one !== "" && one !== "offline_access");
  if (asked.length === 0) return undefined;
  const known = SCOPES.filter((scope) => asked.includes(scope));
  if (known.length === 0) throw new Problem("invalid_scope", "None of these scopes is served here.");
  return known;
}
