import type { SealedKey, Sealer, Secret } from "./sealer.ts";
import type { Versions } from "./versions.ts";

/** The secret of a key's version: from memory where it is still there, so that nothing need be awaited, else opened. */
export function secretOf(
  { sealer, versions }: { sealer: Sealer; versions: Versions },
  key: SealedKey,
): Secret | Promise<Secret> {
  return sealer.remembered(key) ?? sealer.open(key, versions.sealedBlob(key.id, key.version));
}
