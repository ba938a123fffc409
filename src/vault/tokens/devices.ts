import type { Policy } from "../policy/policy.ts";
import type { Token } from "./token.ts";

/** How long a device may be shown secrets, as a person chooses it in the browser (SECURITY S4). */
export const REVEAL_CHOICES = ["none", "15m", "8h", "always"] as const;
export type RevealChoice = (typeof REVEAL_CHOICES)[number];

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

/** What must be shown with a code that came back through a redirect: the verifier of this challenge, at this address (RFC 7636). */
export type Proof = { redirect_uri: string; code_challenge: string };

/** A person's yes to a device. `approved_by` is the session; `proof` is null for a code that only the device itself ever had. */
export type Approval = {
  code_hash: string;
  name: string;
  platform: string;
  policy: Policy;
  reveal: RevealChoice;
  proof: Proof | null;
  approved_by: string;
  expires_at: number;
};

type ApprovalRow = Omit<Approval, "policy" | "proof"> & {
  policy: string;
  proof: string | null;
  device_id: string | null;
};

/** A code that is shown again is told from one that never was, for so long. */
const KEPT_MS = 86_400_000;

/** Tables `device` and `device_approval`. An approval is used once, by whoever shows the code that it is for. */
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
  approve(approval: Approval, now: number): boolean {
    const { code_hash, name, platform, policy, reveal, proof, approved_by, expires_at } = approval;
    this.#sql.exec("DELETE FROM device_approval WHERE expires_at <= ?", now - KEPT_MS);
    const { rowsWritten } = this.#sql.exec(
      `INSERT INTO device_approval (code_hash, name, platform, policy, reveal, proof, approved_by, expires_at)
       VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO NOTHING`,
      code_hash,
      name,
      platform,
      JSON.stringify(policy),
      reveal,
      proof === null ? null : JSON.stringify(proof),
      approved_by,
      expires_at,
    );
    return rowsWritten > 0;
  }

  /** Takes back every yes that no device has fetched yet. */
  dropApprovals(): void {
    this.#sql.exec("DELETE FROM device_approval WHERE device_id IS NULL");
  }

  /** Takes back the yes to this code, if no device has fetched it yet. */
  dropApproval(code_hash: string): void {
    this.#sql.exec("DELETE FROM device_approval WHERE code_hash = ? AND device_id IS NULL", code_hash);
  }

  /** The yes to this code, and the device that came of it where it was used already. */
  approval(code_hash: string): (Approval & { device_id: string | null }) | undefined {
    const [row] = this.#sql.exec<ApprovalRow>("SELECT * FROM device_approval WHERE code_hash = ?", code_hash).toArray();
    if (row === undefined) return undefined;
    return {
      ...row,
      policy: JSON.parse(row.policy) as Policy,
      proof: row.proof === null ? null : (JSON.parse(row.proof) as Proof),
    };
  }

  /** The code is used up. */
  used(code_hash: string, device_id: string): void {
    this.#sql.exec("UPDATE device_approval SET device_id = ? WHERE code_hash = ?", device_id, code_hash);
  }
}
