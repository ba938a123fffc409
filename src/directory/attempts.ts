/** Counts one more try under a name and says whether it is one too many within the window that its first try opened. */
export async function isOneTooMany(
  db: D1Database,
  name: string,
  { most, window_ms }: { most: number; window_ms: number },
  now: number,
): Promise<boolean> {
  const [, counted] = await db.batch<{ count: number }>([
    db.prepare("DELETE FROM attempt WHERE name IN (SELECT name FROM attempt WHERE until <= ? LIMIT 100)").bind(now),
    db
      .prepare(
        `INSERT INTO attempt (name, count, until) VALUES (?1, 1, ?2)
         ON CONFLICT DO UPDATE SET count = CASE WHEN until <= ?3 THEN 1 ELSE count + 1 END,
           until = CASE WHEN until <= ?3 THEN excluded.until ELSE until END
         RETURNING count`,
      )
      .bind(name, now + window_ms, now),
  ]);
  return (counted?.results[0]?.count ?? 0) > most;
}

/** A try that was none of a guess: it does not count. */
export async function takeBack(db: D1Database, name: string): Promise<void> {
  await db.prepare("UPDATE attempt SET count = count - 1 WHERE name = ? AND count > 0").bind(name).run();
}
