/** What was last read at an address of a client. Times are epoch milliseconds. */
export type StoredDocument = { document: string; etag: string | null; fetched_at: number; fresh_until: number };

/** As long as a grant lives: its client goes on proving itself by what its person saw. */
const KEPT_MS = 366 * 86_400_000;
const SWEPT_AT_ONCE = 100;

/** An issuer's document is read again within a day, and kept no longer: anybody's trust may name another. */
const ISSUERS_KEPT_MS = 2 * 86_400_000;
const ISSUERS = "issuer ";

/** Under which name a document of an issuer is kept: it is no client's, whatever address both name. */
export function issuersDocument(url: string): string {
  return ISSUERS + url;
}

export async function findDocument(db: D1Database, url: string): Promise<StoredDocument | undefined> {
  const row = await db
    .prepare("SELECT document, etag, fetched_at, fresh_until FROM client_document WHERE url = ?")
    .bind(url)
    .first<StoredDocument>();
  return row ?? undefined;
}

export async function keepDocument(db: D1Database, url: string, stored: StoredDocument): Promise<void> {
  const { document, etag, fetched_at, fresh_until } = stored;
  await db.batch([
    db
      .prepare(
        "DELETE FROM client_document WHERE url IN (SELECT url FROM client_document WHERE fetched_at < ? LIMIT ?)",
      )
      .bind(fetched_at - KEPT_MS, SWEPT_AT_ONCE),
    db
      .prepare(
        "DELETE FROM client_document WHERE url IN (SELECT url FROM client_document WHERE url GLOB ? AND fetched_at < ? LIMIT ?)",
      )
      .bind(`${ISSUERS}*`, fetched_at - ISSUERS_KEPT_MS, SWEPT_AT_ONCE),
    db
      .prepare(
        `INSERT INTO client_document (url, document, etag, fetched_at, fresh_until) VALUES (?, ?, ?, ?, ?)
         ON CONFLICT DO UPDATE SET document = excluded.document, etag = excluded.etag, fetched_at = excluded.fetched_at,
           fresh_until = excluded.fresh_until`,
      )
      .bind(url, document, etag, fetched_at, fresh_until),
  ]);
}

/** Notes an assertion; false where it was shown before. */
export async function useAssertion(
  db: D1Database,
  { client_id, jti, expires_at }: { client_id: string; jti: string; expires_at: number },
  now: number,
): Promise<boolean> {
  const [, inserted] = await db.batch([
    db
      .prepare(
        `DELETE FROM used_assertion WHERE (client_id, jti) IN
         (SELECT client_id, jti FROM used_assertion WHERE expires_at < ? LIMIT ?)`,
      )
      .bind(now, SWEPT_AT_ONCE),
    db
      .prepare("INSERT INTO used_assertion (client_id, jti, expires_at) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
      .bind(client_id, jti, expires_at),
  ]);
  return inserted?.meta.changes === 1;
}
