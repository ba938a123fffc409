import type { Row } from "../connections/connection_rows.ts";
import { keptBlob, listThrown, writeThrown } from "./trash.ts";

/**
 * A renewal was under way when its key was thrown away: the new pair lies there in the place of the one that is spent now. False
 * where the key is not in the trash, or not with the connection that was renewed.
 */
export function renewThrown(sql: SqlStorage, { key_id, serial }: Row, renewed: Row): boolean {
  const thrown = listThrown(sql, key_id)[0];
  const [held] = thrown?.rows.connection ?? [];
  if (thrown === undefined || held?.serial !== serial || held.binding !== renewed.binding) return false;
  const event = { key_id, at: renewed.obtained_at, what: "renewed", detail: null };
  return writeThrown(sql, thrown, {
    ...thrown.rows,
    connection: [{ ...renewed, sealed: keptBlob(renewed.sealed) }],
    connection_event: [...(thrown.rows.connection_event ?? []), event],
  });
}
