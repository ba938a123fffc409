/** A device that waits for a person's yes. Times are epoch milliseconds. `answer` null: nobody has said anything yet. */
export type DeviceLogin = {
  code_hash: string;
  name: string;
  platform: string;
  ip: string;
  country: string;
  expires_at: number;
  interval_ms: number;
  polled_at: number | null;
  answer: "approved" | "denied" | null;
  vault_id: string | null;
};

export type NewDeviceLogin = Pick<DeviceLogin, "code_hash" | "name" | "platform" | "ip" | "country"> & {
  user_code_hash: string;
};

/** How long a person may take, and how long a device waits between two questions (RFC 8628 §3.2). */
export const DEVICE_LOGIN_MS = 10 * 60_000;
export const POLL_MS = 2_000;

const SLOWER_BY_MS = 5_000;
/** Networks are uneven: a question that comes a little early was not asked early. */
const EARLY_MS = 500;
/** After its end a login is still told from one that never was. */
const KEPT_MS = 60 * 60_000;
const SHOWN_AT_MOST = 5;
const SWEPT_AT_ONCE = 100;

const COLUMNS = "code_hash, name, platform, ip, country, expires_at, interval_ms, polled_at, answer, vault_id";

/** Keeps a new login, and lets go of old ones. False where the user code is taken. */
export async function addDeviceLogin(db: D1Database, login: NewDeviceLogin, now: number): Promise<boolean> {
  const { code_hash, user_code_hash, name, platform, ip, country } = login;
  const [, added] = await db.batch([
    db
      .prepare(
        "DELETE FROM device_login WHERE code_hash IN (SELECT code_hash FROM device_login WHERE expires_at <= ? LIMIT ?)",
      )
      .bind(now - KEPT_MS, SWEPT_AT_ONCE),
    db
      .prepare(
        `INSERT INTO device_login (code_hash, user_code_hash, name, platform, ip, country, created_at, expires_at, interval_ms)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      )
      .bind(code_hash, user_code_hash, name, platform, ip, country, now, now + DEVICE_LOGIN_MS, POLL_MS),
  ]);
  return (added?.meta.changes ?? 0) > 0;
}

/** The unanswered login of a user code that somebody has typed; a code is shown a few times only, however good the guess. */
export async function showDeviceLogin(
  db: D1Database,
  user_code_hash: string,
  now: number,
): Promise<DeviceLogin | undefined> {
  const row = await db
    .prepare(
      `UPDATE device_login SET shown = shown + 1
       WHERE user_code_hash = ? AND expires_at > ? AND answer IS NULL AND shown < ? RETURNING ${COLUMNS}`,
    )
    .bind(user_code_hash, now, SHOWN_AT_MOST)
    .first<DeviceLogin>();
  return row ?? undefined;
}

/** The login that a person is answering. */
export async function unansweredLogin(
  db: D1Database,
  user_code_hash: string,
  now: number,
): Promise<DeviceLogin | undefined> {
  const row = await db
    .prepare(
      `SELECT ${COLUMNS} FROM device_login WHERE user_code_hash = ? AND expires_at > ? AND answer IS NULL AND shown > 0`,
    )
    .bind(user_code_hash, now)
    .first<DeviceLogin>();
  return row ?? undefined;
}

/** Notes a person's answer. Of two at once, one counts. */
export async function answerDeviceLogin(
  db: D1Database,
  code_hash: string,
  answer: { answer: "approved"; vault_id: string } | { answer: "denied" },
  now: number,
): Promise<boolean> {
  const { meta } = await db
    .prepare(
      "UPDATE device_login SET answer = ?, vault_id = ? WHERE code_hash = ? AND answer IS NULL AND expires_at > ?",
    )
    .bind(answer.answer, answer.answer === "approved" ? answer.vault_id : null, code_hash, now)
    .run();
  return meta.changes > 0;
}

/** The login that a device asks about. `early`: sooner than it was told to; from then on it must wait longer (RFC 8628 §3.5). */
export async function pollDeviceLogin(
  db: D1Database,
  code_hash: string,
  now: number,
): Promise<(DeviceLogin & { early: boolean }) | undefined> {
  const row = await db
    .prepare(`SELECT ${COLUMNS} FROM device_login WHERE code_hash = ?`)
    .bind(code_hash)
    .first<DeviceLogin>();
  if (row === null) return undefined;
  const early = row.polled_at !== null && now - row.polled_at < row.interval_ms - EARLY_MS;
  await db
    .prepare("UPDATE device_login SET polled_at = ?, interval_ms = interval_ms + ? WHERE code_hash = ?")
    .bind(now, early ? SLOWER_BY_MS : 0, code_hash)
    .run();
  return { ...row, early };
}

/** A login whose device has its token is over. */
export async function endDeviceLogin(db: D1Database, code_hash: string): Promise<void> {
  await db.prepare("DELETE FROM device_login WHERE code_hash = ?").bind(code_hash).run();
}
