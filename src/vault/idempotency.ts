import { createCipheriv, createDecipheriv, createHash, createHmac, randomBytes } from "node:crypto";
import type { KeyRing } from "../config.ts";
import { utf8 } from "../crypto/encoding.ts";
import { deriveKey } from "../crypto/seal.ts";
import { Problem } from "../problem.ts";
import type { Jobs } from "./jobs.ts";

/** A mutation that may be asked for again: the caller's key, and a digest of route and body. */
export type Repeatable = { key: string; digest: string };

const SECRETS_MS = 10 * 60_000;
const ANSWERS_MS = 24 * 60 * 60_000;

/**
 * Table `idempotency`. An answer is stored in the step that ends its mutation, sealed for ten minutes and then forgotten, so
 * that a repeated request gets the first one's answer instead of a second token (SECURITY S8). Refusals are not stored:
 * nothing was changed, and trying again may work.
 */
export class Idempotency {
  readonly #sql: SqlStorage;
  readonly #jobs: Jobs;
  readonly #roots: KeyRing;
  readonly #vault_id: string;
  readonly #running = new Set<string>();

  constructor(sql: SqlStorage, jobs: Jobs, roots: KeyRing, vault_id: string) {
    this.#sql = sql;
    this.#jobs = jobs;
    this.#roots = roots;
    this.#vault_id = vault_id;
  }

  /** Runs the work once for this caller and key. The same key with another request is refused, and so is one still running. */
  async once<T>(caller: string, repeatable: Repeatable | undefined, work: () => T | Promise<T>): Promise<T> {
    if (repeatable === undefined) return work();
    const name = `${caller} ${repeatable.key}`;
    const earlier = this.#find(caller, repeatable, Date.now());
    if (earlier !== undefined) return this.#unseal(earlier, name) as T;
    if (this.#running.has(name))
      throw new Problem("conflict", "A request with this Idempotency-Key is under way.", { retry_after_s: 1 });
    this.#running.add(name);
    try {
      const done = await work();
      this.#put(caller, repeatable, this.#seal(done, name), Date.now());
      return done;
    } finally {
      this.#running.delete(name);
    }
  }

  /** Forgets answers after ten minutes, and that there was a request after a day. */
  expire(now: number): void {
    this.#sql.exec("DELETE FROM idempotency WHERE at < ?", now - ANSWERS_MS);
    this.#sql.exec("UPDATE idempotency SET answer = '' WHERE answer <> '' AND at < ?", now - SECRETS_MS);
  }

  #find(caller: string, { key, digest }: Repeatable, now: number): string | undefined {
    this.expire(now);
    const [row] = this.#sql
      .exec<{ digest: string; answer: string; at: number }>(
        "SELECT digest, answer, at FROM idempotency WHERE caller = ? AND key = ?",
        caller,
        key,
      )
      .toArray();
    if (row === undefined) return undefined;
    // Rows of before root keys could change have no id in front.
    const [root_id = "", spelled] = row.digest.split(".");
    const same = spelled === undefined ? row.digest === this.#keyed(digest) : spelled === this.#keyed(digest, root_id);
    if (!same) {
      throw new Problem("invalid_request", "This Idempotency-Key was used for another request.", {
        errors: [{ field: "idempotency-key", rule: "must not be used for two different requests" }],
      });
    }
    if (row.answer === "")
      throw new Problem("conflict", "This request was carried out; its answer is not kept longer than ten minutes.");
    return row.answer;
  }

  #put(caller: string, { key, digest }: Repeatable, answer: string, now: number): void {
    this.#sql.exec(
      "INSERT OR REPLACE INTO idempotency (caller, key, digest, answer, at) VALUES (?, ?, ?, ?, ?)",
      caller,
      key,
      `${this.#roots.current.id}.${this.#keyed(digest)}`,
      answer,
      now,
    );
    this.#jobs.plan("forget_answers", now + SECRETS_MS);
  }

  /** A body may hold a secret: its plain digest would let a reader of the table try guesses. */
  #keyed(digest: string, root_id = this.#roots.current.id): string {
    return createHmac("sha256", this.#key(root_id)).update(digest).digest("base64url");
  }

  /** Synchronous, so that storing the answer is part of the step that made it. */
  #seal(done: unknown, name: string): string {
    const root = this.#roots.current;
    const iv = randomBytes(12);
    const cipher = createCipheriv("aes-256-gcm", this.#key(root.id), iv);
    cipher.setAAD(Buffer.from(name));
    const text = Buffer.concat([cipher.update(utf8(JSON.stringify(done))), cipher.final()]);
    return `${root.id}.${Buffer.concat([iv, text, cipher.getAuthTag()]).toString("base64url")}`;
  }

  #unseal(sealed: string, name: string): unknown {
    const [root_id = "", box = ""] = sealed.split(".");
    const bytes = Buffer.from(box, "base64url");
    const decipher = createDecipheriv("aes-256-gcm", this.#key(root_id), bytes.subarray(0, 12));
    decipher.setAAD(Buffer.from(name));
    decipher.setAuthTag(bytes.subarray(-16));
    const text = Buffer.concat([decipher.update(bytes.subarray(12, -16)), decipher.final()]);
    return JSON.parse(text.toString("utf8"));
  }

  #key(root_id: string): Uint8Array {
    const root = this.#roots.by_id.get(root_id);
    if (root === undefined)
      throw new Problem("unavailable", "The key that sealed this answer is not loaded here.", { retry_after_s: 5 });
    return deriveKey(root, "idempotency", Buffer.from(this.#vault_id));
  }
}

/** Digest of a request as far as it decides what is done: method, path and body. */
export function requestDigest(method: string, path: string, body: string): string {
  return createHash("sha256").update(`${method} ${path}\n${body}`).digest("base64url");
}
