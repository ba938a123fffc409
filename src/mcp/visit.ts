import type { Authority, Caller } from "../vault/tokens/caller.ts";
import { grantsScope, type Scope } from "../vault/policy/scopes.ts";
import type { Guest } from "../vault/calls/visit.ts";
import type { UserVault } from "../vault/vault.ts";

/** Whose vault a request is for, and by which token. No secret is in it. */
export type Bearer = { vault_id: string; caller: Caller };

/** A request of somebody who was let in: what they may do at this moment, too. */
export type Visit = Bearer & { guest: Guest };

export function vaultOf(env: Env, { vault_id }: Bearer): DurableObjectStub<UserVault> {
  return env.USER_VAULT.getByName(vault_id);
}

/** The caller as the vault is to judge it for something that needs this scope. What a device may do without one, the tool says. */
export function callerFor({ caller }: Bearer, scope: Scope): Caller {
  const device: readonly Authority[] = scope === "vault:reveal" ? [] : ["device"];
  return { ...caller, may: [`oauth:${scope}`, ...device] };
}

/** May they do what needs this scope? */
export function holds({ guest }: Visit, scope: Scope): boolean {
  return grantsScope(guest.scopes, scope);
}
