import { Problem } from "../../problem.ts";
import type { Parts } from "../parts.ts";
import { judgeToken } from "../policy/checks.ts";
import { grantsScope, type Scope } from "../policy/scopes.ts";

/**
 * Whoever asked for a page must still be there, and still be one who may ask this: a page is worth no more than who it came from.
 * `id` is a grant's or a token's.
 */
export function assertAskerStands(
  { grants, tokens }: Parts,
  id: string,
  scope: Scope,
  key_id: string | undefined,
): void {
  const void_page = new Problem("not_found", "Whoever asked for this may not ask for it any more.");
  const grant = grants.find(id);
  const token = grant === undefined ? tokens.find(id) : undefined;
  if (token !== undefined && judgeToken({ token, now: Date.now() }) === undefined) return;
  if (grant === undefined || grant.revoked_at !== null || grant.paused_at !== null) throw void_page;
  if ((grant.expires_at ?? Infinity) <= Date.now() || !grantsScope(grant.scopes, scope)) throw void_page;
  if (key_id !== undefined && grant.keys?.includes(key_id) === false) throw void_page;
}
