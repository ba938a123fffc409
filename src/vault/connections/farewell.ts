import { logFault } from "../../problem.ts";
import type { ConnectedKeys } from "./connected_keys.ts";
import type { Row } from "./connection_rows.ts";
import type { ApiKey } from "../keys/key.ts";
import type { Sealer } from "../keys/sealer.ts";
import { revokeToken } from "./token_endpoint.ts";

/** A key that goes, with what it was granted and its client's sealed secret where that is at hand. */
export type Leaving = {
  key: Pick<ApiKey, "id" | "version" | "destination" | "sealed_destination">;
  blob: Uint8Array | undefined;
  granted: Row;
};

/** Revokes at the provider what a key was granted (RFC 7009), from what is given: the key may be in its tables no more. */
export async function sayFarewellTo(
  { connected_keys, sealer }: { connected_keys: ConnectedKeys; sealer: Sealer },
  { key, blob, granted }: Leaving,
): Promise<void> {
  const { placement } = key.destination;
  if (placement.in !== "oauth" || placement.revoke_url === undefined) return;
  try {
    const opening = sealer.remembered(key) ?? sealer.open(key, blob);
    const [token, secret] = await Promise.all([connected_keys.lastToken(granted), opening]);
    if (token !== undefined) await revokeToken(placement, secret, token);
  } catch (fault) {
    logFault("token_not_revoked_upstream", fault);
  }
}
