import type { ConnectedKeys } from "../connections/connected_keys.ts";
import type { ApiKey, Destination } from "../keys/key.ts";
import type { Sealer, Secret } from "../keys/sealer.ts";
import { secretOf } from "../keys/secret_of.ts";
import type { Versions } from "../keys/versions.ts";

/** What a call shows the upstream; `serial` tells one access token from another. */
export type Opened = { secret: Secret; serial?: number };

type Parts = { sealer: Sealer; versions: Versions; connected_keys: ConnectedKeys };

/** What needs no waiting: the key's secret, or the access token of one that renews itself. */
export function atHand({ sealer, connected_keys }: Parts, key: ApiKey, stale: number | undefined): Opened | undefined {
  if (key.destination.placement.in === "oauth") return connected_keys.atHand(key, stale);
  const secret = sealer.remembered(key);
  return secret && { secret };
}

/** A failure is a value here: the decision may have been overtaken meanwhile, and then that is the answer. */
export async function open(parts: Parts, key: ApiKey, stale: number | undefined): Promise<Opened | { fault: unknown }> {
  try {
    if (key.destination.placement.in === "oauth") return await parts.connected_keys.access(key, stale);
    return { secret: await secretOf(parts, key) };
  } catch (fault) {
    return { fault };
  }
}

/** An access token is shown as a key is; where it came from is the vault's affair. */
export function shownAt(destination: Destination): Destination {
  const { placement } = destination;
  if (placement.in !== "oauth") return destination;
  const { header } = placement;
  return { ...destination, placement: header === undefined ? { in: "bearer" } : { in: "header", ...header } };
}
