/** An OAuth client that registered itself, as it is stored. Times are epoch milliseconds. */
export type RegisteredClient = {
  id: string;
  metadata: string;
  secret_hash: string | null;
  registration_hash: string;
  created_at: number;
  used_at: number | null;
};

const UNUSED_MS = 7 * 86_400_000;
/** Longer than an idle refresh token lives, so that a client never expires under a grant that still works. */
const IDLE_MS = 90 * 86_400_000;
const NOTE_USE_AFTER_MS = 86_400_000;
const SWEPT_AT_ONCE = 100;

/** Stores a new client, and lets go of some that nobody has used. */
export async function addClient(db: D1Database, client: Omit<RegisteredClient, "used_at">): Promise<void> {
  const { id, metadata, secret_hash, registration_hash, created_at } = client;
  await db.batch([
    db
      .prepare("DELETE FROM oauth_client WHERE id IN (SELECT id FROM oauth_client WHERE expires_at <= ? LIMIT ?)")
      .bind(created_at, SWEPT_AT_ONCE),
    db
      .prepare(
        "INSERT INTO oauth_client (id, metadata, secret_hash, registration_hash, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?)",
      )
      .bind(id, metadata, secret_hash, registration_hash, created_at, created_at + UNUSED_MS),
  ]);
}

export async function findClient(db: D1Database, id: string, now: number): Promise<RegisteredClient | undefined> {
  const row = await db
    .prepare(
      "SELECT id, metadata, secret_hash, registration_hash, created_at, used_at FROM oauth_client WHERE id = ? AND expires_at > ?",
    )
    .bind(id, now)
    .first<RegisteredClient>();
  return row ?? undefined;
}

/** Replaces what a client says of itself (RFC 7592 §2.2). */
export async function changeClient(db: D1Database, id: string, metadata: string): Promise<void> {
  await db.prepare("UPDATE oauth_client SET metadata = ? WHERE id = ?").bind(metadata, id).run();
}

export async function removeClient(db: D1Database, id: string): Promise<void> {
  await db.prepare("DELETE FROM oauth_client WHERE id = ?").bind(id).run();
}

/** Notes that a client was given tokens: it goes on living. Once a day is enough. */
export async function noteClientUse(db: D1Database, { id, used_at }: RegisteredClient, now: number): Promise<void> {
  if (used_at !== null && now - used_at < NOTE_USE_AFTER_MS) return;
  await db
    .prepare("UPDATE oauth_client SET used_at = ?2, expires_at = ?3 WHERE id = ?1")
    .bind(id, now, now + IDLE_MS)
    .run();
}
