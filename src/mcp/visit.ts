import type { Authority, Caller } from "../vault/tokens/caller.ts";
import { grantsScope, type Scope } from "../vault/policy/scopes.ts";
import type { Guest } from "../vault/calls/visit.ts";

/** A request of somebody who was let in: whose vault, by which token, and what they may do at this moment. No secret is in it. */
export type Visit = { vault_id: string; caller: Caller; guest: Guest };

/** The caller as the vault is to judge it for something that needs this scope. What a device may do without one, the tool says. */
export function callerFor({ caller }: Visit, scope: Scope): Caller {
  const device: readonly Authority[] = scope === "vault:reveal" ? [] : ["device"];
  return { ...caller, may: [`oauth:${scope}`, ...device] };
}

/** May they do what needs this scope? */
export function holds({ guest }: Visit, scope: Scope): boolean {
  return grantsScope(guest.scopes, scope);
}
