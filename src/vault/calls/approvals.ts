import { createHash } from "node:crypto";
import { Problem } from "../../problem.ts";
import type { Denial } from "../policy/judgement.ts";
import type { ApiKey } from "../keys/key.ts";
import { newIds } from "../ids.ts";

/** What a person answers. `always` writes a rule into the policy that asks. */
export type ApprovalDecision = "once" | "10m" | "1h" | "always" | "no";

/** A call that needs a yes. `content` is the router's digest of query and body; absent where nothing is held yet. */
export type Wish = {
  actor: string;
  token_id: string;
  token_name: string;
  /** The tokens whose policies ask. */
  asking: readonly string[];
  key: ApiKey;
  method: string;
  path: string;
  /** The path as it may be recorded and shown. */
  shown_path: string;
  content: string | undefined;
  /** The same call once more, with the secret before or a newer access token: one yes covers both. */
  is_second_try: boolean;
  ip: string;
  country: string;
};

/** A question as it stands. Times are epoch milliseconds. */
export type Question = {
  id: string;
  actor: string;
  token_id: string;
  asking: readonly string[];
  token_name: string;
  key_id: string;
  key_name: string;
  method: string;
  host: string;
  path: string;
  shown_path: string;
  ip: string;
  country: string;
  created_at: number;
  expires_at: number;
  decision: ApprovalDecision | null;
  answered_at: number | null;
};

/** How long a question stays open, and a yes for once good: longer than a client waits, so that it may come again. */
const OPEN_MS = 10 * 60_000;
const FORGOTTEN_MS = 24 * 60 * 60_000;
const LASTS_MS = { "10m": 10 * 60_000, "1h": 60 * 60_000 } as const;
/**
 * Nobody is asked more than this at once: a hundred questions are answered without being read. Of one token, of all whose calls one policy
 * asks about (it may derive a hundred others), and in all.
 */
const [OPEN_OF_ONE, OPEN_OF_KIN, OPEN_IN_ALL] = [5, 15, 50];

type Row = Omit<Question, "asking"> & { asking: string };

/** Tables `question` and `allowance`. A question is bound to its request by a digest, and exactly one answer to it counts. */
export class Approvals {
  readonly #sql: SqlStorage;
  readonly #newId = newIds();
  readonly #public_origin: string;

  constructor(sql: SqlStorage, public_origin: string) {
    this.#sql = sql;
    this.#public_origin = public_origin;
  }

  /** Where a person answers it. */
  urlOf(id: string): string {
    return `${this.#public_origin}/approvals/${id}`;
  }

  /** Takes the yes that covers this call, in the step that lets it through; undefined where there is none. */
  take(wish: Wish, now: number): string | undefined {
    if (this.isAllowed(wish, now)) return "allowance";
    if (wish.content === undefined) return undefined;
    const [taken] = this.#sql
      .exec<{ id: string }>(
        `UPDATE question SET uses = uses + 1 WHERE id = (SELECT id FROM question
         WHERE digest = ? AND decision = 'once' AND uses = ? AND expires_at > ? ORDER BY id LIMIT 1) RETURNING id`,
        digestOf(wish),
        wish.is_second_try ? 1 : 0,
        now,
      )
      .toArray();
    return taken?.id;
  }

  /** Did somebody say yes to this address for a while? */
  isAllowed({ actor, key, method, path }: Wish, now: number): boolean {
    return (
      this.#sql
        .exec(
          "SELECT 1 FROM allowance WHERE actor = ? AND key_id = ? AND origin = ? AND method = ? AND path = ? AND until > ?",
          actor,
          key.id,
          key.destination.origin,
          method,
          path,
          now,
        )
        .toArray().length > 0
    );
  }

  /** Nothing left the vault after all: the yes is as good as new. */
  giveBack(id: string): void {
    this.#sql.exec("UPDATE question SET uses = uses - 1 WHERE id = ? AND uses > 0", id);
  }

  /** The open question about this call, asked now if it was not yet; a refusal where its owner has said no, or is asked too much. */
  ask(wish: Wish, now: number): { question: Question; isNew: boolean } | { denial: Denial } {
    const digest = digestOf(wish);
    const [known] = this.#read("digest = ? AND expires_at > ? AND uses = 0 ORDER BY id DESC LIMIT 1", digest, now);
    if (known?.decision === "no") return { denial: SAID_NO };
    if (known?.decision === null) return { question: known, isNew: false };
    const open = this.open(now);
    const own = open.filter(({ actor }) => actor === wish.actor);
    const kin = open.filter(({ asking }) => asking.some((id) => wish.asking.includes(id)));
    if (open.length >= OPEN_IN_ALL || own.length >= OPEN_OF_ONE || kin.length >= OPEN_OF_KIN)
      return { denial: TOO_MANY };
    this.#sql.exec("DELETE FROM question WHERE expires_at < ?", now - FORGOTTEN_MS);
    this.#sql.exec("DELETE FROM allowance WHERE until < ?", now);
    const id = this.#newId("apr", now);
    const { actor, token_id, asking, token_name, key, method, path, shown_path, ip, country } = wish;
    const { host } = new URL(key.destination.origin);
    this.#sql.exec(
      `INSERT INTO question (id, digest, actor, token_id, asking, token_name, key_id, key_name, method, host, path, shown_path,
       ip, country, created_at, expires_at) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      digest,
      actor,
      token_id,
      JSON.stringify(asking),
      token_name,
      key.id,
      key.name,
      method,
      host,
      path,
      shown_path,
      ip,
      country,
      now,
      now + OPEN_MS,
    );
    return { question: this.must(id), isNew: true };
  }

  find(id: string): Question | undefined {
    return this.#read("id = ?", id)[0];
  }

  must(id: string): Question {
    const question = this.find(id);
    if (question === undefined) throw new Problem("not_found", "There is no such question.");
    return question;
  }

  /** Questions that nobody has answered yet, newest first. */
  open(now: number): Question[] {
    return this.#read("decision IS NULL AND expires_at > ? ORDER BY id DESC", now);
  }

  isOpen(id: string, now: number): boolean {
    return this.#read("id = ? AND decision IS NULL AND expires_at > ?", id, now).length > 0;
  }

  /** Answers a question: the first answer counts, later ones are refused. */
  answer(question: Question, key: ApiKey, decision: ApprovalDecision, now: number): Question {
    const { id, actor, key_id, method, path } = question;
    const { rowsWritten } = this.#sql.exec(
      "UPDATE question SET decision = ?, answered_at = ? WHERE id = ? AND decision IS NULL AND expires_at > ?",
      decision,
      now,
      id,
      now,
    );
    if (rowsWritten === 0)
      throw new Problem("conflict", "This question was answered already, or is too old. Let the program ask again.");
    if (decision === "10m" || decision === "1h") {
      this.#sql.exec(
        "INSERT OR REPLACE INTO allowance (actor, key_id, origin, method, path, until) VALUES (?, ?, ?, ?, ?, ?)",
        actor,
        key_id,
        key.destination.origin,
        method,
        path,
        now + LASTS_MS[decision],
      );
    }
    return this.must(id);
  }

  /** Forgets every question and every yes that was given for a while (SECURITY S15). */
  drop(): void {
    this.#sql.exec("DELETE FROM question");
    this.#sql.exec("DELETE FROM allowance");
  }

  #read(where: string, ...values: SqlStorageValue[]): Question[] {
    return this.#sql
      .exec<Row>(
        `SELECT id, actor, token_id, asking, token_name, key_id, key_name, method, host, path, shown_path, ip, country, created_at,
         expires_at, decision, answered_at FROM question WHERE ${where}`,
        ...values,
      )
      .toArray()
      .map((row) => ({ ...row, asking: JSON.parse(row.asking) as string[] }));
  }
}

const SAID_NO: Denial = { rule: "ask", code: "policy_denied", detail: "Its owner said no to this call." };
const TOO_MANY: Denial = {
  rule: "ask",
  code: "rate_limited",
  detail: "Too many calls wait for an answer of their owner.",
  retry_after_s: 30,
};

function digestOf({ actor, key, method, path, content }: Wish): string {
  const { origin, base_path } = key.destination;
  const bound = JSON.stringify([actor, key.id, key.version, origin, base_path, method, path, content ?? null]);
  return createHash("sha256").update(bound).digest("base64url");
}
