import type { Policy } from "./policy.ts";
import type { Token } from "./tokens.ts";

/** How long a device may be shown secrets, as a person chooses it in the browser (SECURITY S4). */
export type RevealChoice = "none" | "15m" | "8h" | "always";

/** What is known of a device beside its token. Times are epoch milliseconds. */
type DeviceFacts = {
  platform: string;
  /** Until when it may be shown secrets; null or past: not at all. */
  reveal_until: number | null;
  /** When and whence it asked for that, while nobody has answered. */
  asked_at: number | null;
  asked_ip: string | null;
  asked_country: string | null;
};

/** Somebody's computer that is signed in: a token of kind `dev` and what the person allowed it. */
export type Device = Token & DeviceFacts;

/** A person's yes to a device. `approved_by` is the session. */
export type Approval = {
  code_hash: string;
  name: string;
  platform: string;
  policy: Policy;
  reveal: RevealChoice;
  approved_by: string;
  expires_at: number;
};

type ApprovalRow = Omit<Approval, "policy"> & { policy: string };

/** Tables `device` and `device_approval`. An approval is taken once, by whoever shows the code that it is for. */
export class Devices {
  readonly #sql: SqlStorage;

  constructor(sql: SqlStorage) {
    this.#sql = sql;
  }

  add(id: string, platform: string, reveal_until: number | null): void {
    this.#sql.exec("INSERT INTO device (id, platform, reveal_until) VALUES (?, ?, ?)", id, platform, reveal_until);
  }

  /** The token as a device. */
  of(token: Token): Device {
    const facts = this.#sql
      .exec<DeviceFacts>(
        "SELECT platform, reveal_until, asked_at, asked_ip, asked_country FROM device WHERE id = ?",
        token.id,
      )
      .one();
    return { ...token, ...facts };
  }

  /** May be shown secrets until then; whatever it asked is answered. */
  setReveal(id: string, reveal_until: number | null): void {
    this.#sql.exec(
      "UPDATE device SET reveal_until = ?, asked_at = NULL, asked_ip = NULL, asked_country = NULL WHERE id = ?",
      reveal_until,
      id,
    );
  }

  ask(id: string, ip: string, country: string, now: number): void {
    this.#sql.exec(
      "UPDATE device SET asked_at = ?, asked_ip = ?, asked_country = ? WHERE id = ?",
      now,
      ip,
      country,
      id,
    );
  }

  /** Keeps a person's yes. A second one for the same code is not kept: the answer is false. */
  approve({ code_hash, name, platform, policy, reveal, approved_by, expires_at }: Approval, now: number): boolean {
    this.#sql.exec("DELETE FROM device_approval WHERE expires_at <= ?", now);
    const { rowsWritten } = this.#sql.exec(
      "INSERT INTO device_approval (code_hash, name, platform, policy, reveal, approved_by, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING",
      code_hash,
      name,
      platform,
      JSON.stringify(policy),
      reveal,
      approved_by,
      expires_at,
    );
    return rowsWritten > 0;
  }

  /** Takes back every yes that no device has fetched yet. */
  dropApprovals(): void {
    this.#sql.exec("DELETE FROM device_approval");
  }

  /** The yes to this code, which is gone with it. */
  take(code_hash: string, now: number): Approval | undefined {
    const [row] = this.#sql
      .exec<ApprovalRow>("DELETE FROM device_approval WHERE code_hash = ? RETURNING *", code_hash)
      .toArray();
    if (row === undefined || row.expires_at <= now) return undefined;
    return { ...row, policy: JSON.parse(row.policy) as Policy };
  }
}
