/** What an OAuth grant may be for (CONTRACT §6), from harmless to grave. */
export const SCOPES = ["vault:read", "vault:proxy", "vault:write", "vault:reveal"] as const;

export type Scope = (typeof SCOPES)[number];

/** Is the scope among these, or implied by one of them? Writing implies reading. */
export function grantsScope(scopes: readonly Scope[], scope: Scope): boolean {
  return scopes.includes(scope) || (scope === "vault:read" && scopes.includes("vault:write"));
}
