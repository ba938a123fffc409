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

/** Whoever has linked a sign-in of their own must have left its person so long to see it, before it can be what stays. */
const SETTLES_MS = 7 * 86_400_000;

/**
 * From when on an identity may be unlinked; undefined: never, since nobody else signs in. One stays that is older, or has been there for
 * long enough: otherwise whoever got hold of a session could link themselves and lock its person out.
 */
export function mayGoFrom(linked: readonly LinkedIdentity[], { issuer, subject }: IdentityRef): number | undefined {
  const at = linked.findIndex((one) => one.issuer === issuer && one.subject === subject);
  if (at !== 0) return 0;
  const [, next] = linked;
  return next && next.linked_at + SETTLES_MS;
}

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
