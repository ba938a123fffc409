import type { ConnectedKeys } from "../connections/connected_keys.ts";
import { sayFarewellTo, type Leaving } from "../connections/farewell.ts";
import type { Destination } from "./key.ts";
import type { Sealer } from "./sealer.ts";
import { bytesOf, forgetThrown, thrownForGood, type InTrash } from "./trash.ts";

/**
 * Forgets what nobody wanted back: the provider is told first, then the blobs go, then the rows. A crash meanwhile leaves the
 * rows, and it is done again. Answers when to look again.
 */
export async function emptyTrash(
  parts: { sql: SqlStorage; sealer: Sealer; connected_keys: ConnectedKeys },
  now: number,
): Promise<number | undefined> {
  const { sql, sealer } = parts;
  const { due, next } = thrownForGood(sql, now);
  for (const thrown of due) {
    const { key_id, rows } = thrown;
    const leaving = leavingOf(thrown);
    if (leaving !== undefined) await sayFarewellTo(parts, leaving);
    for (const { version } of rows.key_version) await sealer.deleteBlob(key_id, version);
    forgetThrown(sql, key_id);
  }
  return next ?? undefined;
}

/** The key as it was, as far as its provider must be told; undefined where it had no connection. */
function leavingOf({ key_id, rows }: InTrash): Leaving | undefined {
  const [key] = rows.api_key;
  const [connection] = rows.connection ?? [];
  const current = rows.key_version.find(({ version }) => version === key?.version);
  if (connection === undefined || current === undefined) return undefined;
  const { version, destination: sealed_destination, sealed } = current;
  const destination = JSON.parse(sealed_destination) as Destination;
  return {
    key: { id: key_id, version, destination, sealed_destination },
    blob: bytesOf(sealed) ?? undefined,
    granted: { ...connection, sealed: bytesOf(connection.sealed)?.buffer ?? null },
  };
}
