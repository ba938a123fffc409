import { createHash, randomBytes } from "node:crypto";
import { Problem } from "../problem.ts";
import { recognise, type Caller } from "./caller.ts";
import { rotateKey } from "./change_keys.ts";
import type { ApiKey } from "./keys.ts";
import { record, type Parts } from "./parts.ts";
import type { Secret } from "./sealer.ts";

/** What an entry page shows: the host that the secret will go to, and who asked for it (SECURITY S2). */
export type EntryPage = { key: ApiKey; asked_by: string };

const LIFE_MS = 10 * 60_000;

/** Makes a one-time page on which this vault's person types the key's next secret. */
export function createEntryLink(parts: Parts, caller: Caller, ref: string): { handle: string; expires_at: number } {
  const now = Date.now();
  const by = recognise(parts.tokens, caller, now);
  const { id, name, version } = parts.keys.must(ref);
  const handle = randomBytes(16).toString("base64url");
  const expires_at = now + LIFE_MS;
  parts.sql.exec("DELETE FROM entry_link WHERE expires_at <= ?", now);
  parts.sql.exec(
    "INSERT INTO entry_link (hash, key_id, version, asked_by, expires_at) VALUES (?, ?, ?, ?, ?)",
    hashOf(handle),
    id,
    version,
    by.name,
    expires_at,
  );
  record(parts, by, caller, "key.entry_link", { key: id, key_name: name });
  return { handle, expires_at };
}

/** What to show on the page. Looking changes nothing: a page is used up by what is posted, never by a link that is followed. */
export function readEntryLink(parts: Parts, caller: Caller, handle: string): EntryPage {
  recognise(parts.tokens, caller, Date.now());
  const { key, asked_by } = find(parts, handle);
  return { key, asked_by };
}

/**
 * Takes the secret and uses the link up: consumed first, so that two posts cannot both count. The secret is sealed for the
 * destination that the page has shown and no other (SECURITY S2).
 */
export async function useEntryLink(parts: Parts, caller: Caller, handle: string, secret: Secret): Promise<ApiKey> {
  recognise(parts.tokens, caller, Date.now());
  const { key } = find(parts, handle);
  parts.sql.exec("DELETE FROM entry_link WHERE hash = ?", hashOf(handle));
  return rotateKey(parts, caller, key.id, { destination: key.destination, secret, overlap_ms: 0 });
}

/** Voids every page that is still open. */
export function dropEntryLinks({ sql }: Parts): void {
  sql.exec("DELETE FROM entry_link");
}

function find(parts: Parts, handle: string): EntryPage {
  const [link] = parts.sql
    .exec<{ key_id: string; version: number; asked_by: string }>(
      "SELECT key_id, version, asked_by FROM entry_link WHERE hash = ? AND expires_at > ?",
      hashOf(handle),
      Date.now(),
    )
    .toArray();
  if (link === undefined) {
    throw new Problem("not_found", "This page was used already, or is too old. Ask for a new one.");
  }
  const key = parts.keys.must(link.key_id);
  if (key.version !== link.version) {
    throw new Problem("conflict", "The key was changed since this page was made. Ask for a new one.");
  }
  return { key, asked_by: link.asked_by };
}

function hashOf(handle: string): string {
  return createHash("sha256").update(handle).digest("base64url");
}
