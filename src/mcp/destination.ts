import { secretFieldsOf } from "../catalog/provider.ts";
import { providerOf } from "../catalog/catalog.ts";
import { destinationOf } from "../api/destination.ts";
import type { Config } from "../config.ts";
import { Problem } from "../problem.ts";
import type { Destination } from "../vault/keys/key.ts";

/**
 * Where a key that a client asks for may send its secret: to a provider that we know, at the address that we know. Anywhere else
 * only a person leads a secret, on the dashboard (SECURITY S2).
 */
export function catalogDestination(id: string, config: Config, kind: "key" | "oauth", scopes?: string): Destination {
  const provider = providerOf(id);
  if (provider === undefined || provider.base_url === undefined) {
    const detail = `Only the owner stores a key for an address of their own: ${config.public_origin}/keys.`;
    const errors = [{ field: "provider", rule: "must be a provider of list_providers that has a base_url" }];
    throw new Problem("invalid_request", detail, { errors });
  }
  if ((provider.placement.in === "oauth") !== (kind === "oauth")) {
    const other = kind === "oauth" ? "store_key" : "store_oauth_credential";
    throw new Problem("invalid_request", `Use ${other} for ${provider.name}.`, {
      errors: [{ field: "provider", rule: `is one for ${other}` }],
    });
  }
  const placement =
    provider.placement.in === "oauth" && scopes !== undefined ? { ...provider.placement, scopes } : provider.placement;
  // What is typed later has these fields; the values do not matter to where it goes.
  const fields = Object.fromEntries(secretFieldsOf(placement).map((field) => [field, "-"]));
  return destinationOf({ provider: id, placement }, fields, config);
}
