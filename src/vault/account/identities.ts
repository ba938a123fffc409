/** Somebody at an identity provider: the provider's issuer and its stable subject, never an e-mail address. */
export type Identity = {
  issuer: string;
  subject: string;
  email: string | null;
  email_verified: boolean;
  name: string | null;
};

/** What tells an identity from all others. */
export type IdentityRef = Pick<Identity, "issuer" | "subject">;

/** An identity as the vault remembers it. */
export type LinkedIdentity = Omit<Identity, "email_verified"> & { linked_at: number };

/** Table `identity`: who may sign in to this vault. D1 only hints; this list decides (SECURITY S11). */
export class Identities {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  holds(issuer: string, subject: string): boolean {
    return (
      this.#sql.exec("SELECT 1 FROM identity WHERE issuer = ? AND subject = ?", issuer, subject).toArray().length > 0
    );
  }

  /** Adds an identity, or brings its e-mail address and name up to date. */
  put({ issuer, subject, email, name }: Identity, now: number): void {
    this.#sql.exec(
      `INSERT INTO identity (issuer, subject, email, name, linked_at) VALUES (?, ?, ?, ?, ?)
       ON CONFLICT DO UPDATE SET email = excluded.email, name = excluded.name`,
      issuer,
      subject,
      email,
      name,
      now,
    );
  }

  /** False where it was not there. */
  remove({ issuer, subject }: IdentityRef): boolean {
    return this.#sql.exec("DELETE FROM identity WHERE issuer = ? AND subject = ?", issuer, subject).rowsWritten > 0;
  }

  /** Oldest first: the one that the vault was made for. */
  list(): LinkedIdentity[] {
    return this.#sql
      .exec<LinkedIdentity>("SELECT issuer, subject, email, name, linked_at FROM identity ORDER BY linked_at")
      .toArray();
  }
}
