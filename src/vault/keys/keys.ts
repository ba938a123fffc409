import { CUSTOM, listProviders } from "../../catalog/catalog.ts";
import type { Category } from "../../catalog/provider.ts";
import { dataKeyIdOf } from "../../crypto/seal.ts";
import { Problem } from "../../problem.ts";
import { reachValue, type Reach } from "../policy/reach.ts";
import type { ApiKey, Destination, KeyChanges, NewKey } from "./key.ts";
import { newIds, type NewId } from "../ids.ts";

/** What a list of keys is narrowed by. */
export type KeyFilter = {
  provider?: string | undefined;
  category?: Category | undefined;
  /** One, or several with commas between: any of them will do. */
  tag?: string | undefined;
  q?: string | undefined;
};

/** How many keys there may be, and how many of them for hosts outside the catalog. */
export type KeyLimits = { keys: number; custom_keys: number };

type Row = Omit<ApiKey, "destination" | "sealed_destination" | "tags" | "scrub" | "revealable"> & {
  provider: string;
  destination: string;
  tags: string;
  scrub: number;
  revealable: number;
};

const REMEMBERED = 500;
/** How many names of before a key has at most. */
const NAMES = 50;
const SELECT = `SELECT k.*, v.destination, c.state AS connection FROM api_key k
  JOIN key_version v ON v.key_id = k.id AND v.version = k.version LEFT JOIN connection c ON c.key_id = k.id`;

/** Ids of the providers of a category, as JSON. */
function idsOf(category: Category): string {
  return JSON.stringify(listProviders(category).map(({ id }) => id));
}

/** Tables `api_key`, `key_version`, `key_name`. What is asked for is an id, or a current or former name, which is never like one (DESIGN D16). */
export class Keys {
  readonly newId: NewId;
  readonly #sql: SqlStorage;
  readonly #limits: KeyLimits;
  readonly #by_ref: Map<string, ApiKey>;
  readonly #reach: Reach;

  constructor(
    sql: SqlStorage,
    limits: KeyLimits,
    reach: Reach = null,
    by_ref = new Map<string, ApiKey>(),
    newId = newIds(),
  ) {
    this.#sql = sql;
    this.#limits = limits;
    this.#reach = reach;
    this.#by_ref = by_ref;
    this.newId = newId;
  }

  /** The same keys for somebody who may see these only. */
  within(reach: Reach): Keys {
    return new Keys(this.#sql, this.#limits, reach, this.#by_ref, this.newId);
  }

  /** The key of that id, name or former name. */
  find(ref: string): ApiKey | undefined {
    const key = this.#find(ref);
    return key !== undefined && this.#reach?.has(key.id) === false ? undefined : key;
  }

  #find(ref: string): ApiKey | undefined {
    const known = this.#by_ref.get(ref);
    if (known !== undefined) return known;
    const [key] = this.#select("k.id IN (?1, (SELECT key_id FROM key_name WHERE name = ?1))", ref);
    if (key === undefined) return undefined;
    if (this.#by_ref.size >= REMEMBERED) this.#by_ref.clear();
    this.#by_ref.set(ref, key);
    return key;
  }

  /** As {@link find}, but absent is a refusal. */
  must(ref: string): ApiKey {
    const key = this.find(ref);
    if (key === undefined) throw new Problem("not_found", "There is no such key.");
    return key;
  }

  /** The only key of this vault, if there is exactly one. */
  only(): ApiKey | undefined {
    const [first, second] = this.#select("true LIMIT 2");
    return second === undefined ? first : undefined;
  }

  /** Keys, newest first, below the id `before`. */
  list(before: string | undefined, limit: number, { provider, category, tag, q }: KeyFilter): ApiKey[] {
    const conditions: [sql: string, value: string | null | undefined][] = [
      ["k.id < ?", before],
      ["k.provider = ?", provider],
      ["k.provider IN (SELECT value FROM json_each(?))", category && idsOf(category)],
      ["EXISTS (SELECT 1 FROM json_each(k.tags) WHERE instr(',' || ? || ',', ',' || value || ',') > 0)", tag],
      ["instr(lower(k.name), lower(?)) > 0", q],
      ["k.id IN (SELECT value FROM json_each(?))", reachValue(this.#reach)],
    ];
    // Only what is asked: a list without a filter walks one index and nothing else. The keys themselves are mostly remembered.
    const asked = conditions.filter((each): each is [string, string] => each[1] != null);
    const where = ["TRUE", ...asked.map(([sql]) => sql)].join(" AND ");
    // `+`, here and elsewhere: SQLite plans by the value of a bare `LIMIT ?`, and prepares the statement anew for each.
    const page = `SELECT k.id FROM api_key k WHERE ${where} ORDER BY k.id DESC LIMIT +?`;
    const ids = this.#sql.exec<{ id: string }>(page, ...asked.map(([, value]) => value), limit).toArray();
    return ids.map(({ id }) => this.must(id));
  }

  /** All keys, newest first, in one go: for whoever looks over the whole vault. */
  all(): ApiKey[] {
    return this.#select("true ORDER BY k.id DESC").filter(({ id }) => this.#reach?.has(id) ?? true);
  }

  /** Ids of all keys that carry the tag. */
  tagged(tag: string): string[] {
    return this.#sql
      .exec<{ id: string }>("SELECT id FROM api_key WHERE EXISTS (SELECT 1 FROM json_each(tags) WHERE value = ?)", tag)
      .toArray()
      .map(({ id }) => id)
      .filter((id) => this.#reach?.has(id) ?? true);
  }

  /** Refuses a name that is taken, now or formerly, and a key too many. Asked before sealing and again before writing. */
  assertRoomFor(name: string, provider: string): void {
    if (this.#sql.exec("SELECT 1 FROM key_name WHERE name = ?", name).toArray().length > 0) throw nameTaken(name);
    const { keys, custom_keys } = this.#limits;
    const { n, custom } = this.#sql
      .exec<{ n: number; custom: number }>(
        "SELECT count(*) AS n, count(*) FILTER (WHERE provider = ?) AS custom FROM api_key",
        CUSTOM,
      )
      .one();
    if (n >= keys) throw new Problem("conflict", `A vault holds at most ${keys} keys.`);
    if (provider === CUSTOM && custom >= custom_keys)
      throw new Problem("conflict", `A vault holds at most ${custom_keys} keys for hosts outside the catalog.`);
  }

  /** Stores a key with its first version. */
  add(id: string, key: NewKey, sealed: Uint8Array, now: number): ApiKey {
    this.assertRoomFor(key.name, key.destination.provider);
    this.#sql.exec(
      `INSERT INTO api_key (id, name, provider, version, last_version, tags, note, scrub, revealable, created_at, updated_at, expires_at) VALUES (?, ?, ?, 1, 1, ?, ?, ?, ?, ?, ?, ?)`,
      id,
      key.name,
      key.destination.provider,
      JSON.stringify(key.tags),
      key.note,
      key.scrub ? 1 : 0,
      key.revealable ? 1 : 0,
      now,
      now,
      key.expires_at,
    );
    this.#sql.exec("INSERT INTO key_name (name, key_id) VALUES (?, ?)", key.name, id);
    this.#sql.exec(
      "INSERT INTO key_version (key_id, version, destination, sealed, data_key, created_at) VALUES (?, 1, ?, ?, ?, ?)",
      id,
      JSON.stringify(key.destination),
      sealed,
      dataKeyIdOf(sealed),
      now,
    );
    return this.must(id);
  }

  /** Changes what is said about a key. A new name is added to the old ones, which go on working; its own it may take back. */
  change(key: ApiKey, changes: KeyChanges, now: number): void {
    const { name = key.name, tags = key.tags, note = key.note, expires_at = key.expires_at } = changes;
    const { scrub = key.scrub, revealable = key.revealable } = changes;
    const holder = this.#sql.exec<{ key_id: string }>("SELECT key_id FROM key_name WHERE name = ?", name).toArray()[0];
    if (holder !== undefined && holder.key_id !== key.id) throw nameTaken(name);
    if (holder === undefined) this.#addName(name, key);
    this.#write(
      key.id,
      "name = ?, tags = ?, note = ?, scrub = ?, revealable = ?, expires_at = ?, updated_at = ?",
      name,
      JSON.stringify(tags),
      note,
      scrub ? 1 : 0,
      revealable ? 1 : 0,
      expires_at,
      now,
    );
  }

  /** A name stays taken for ever: nobody goes through them all. */
  #addName(name: string, key: ApiKey): void {
    if (this.formerNames(key).length >= NAMES)
      throw new Problem("conflict", `A key is given another name ${NAMES} times at most; its own it may take back.`);
    this.#sql.exec("INSERT INTO key_name (name, key_id) VALUES (?, ?)", name, key.id);
  }

  /** Names that lead to this key but are not its name any more. */
  formerNames({ id, name }: ApiKey): string[] {
    const rows = this.#sql.exec<{ name: string }>("SELECT name FROM key_name WHERE key_id = ? AND name <> ?", id, name);
    return [...rows].map((row) => row.name);
  }

  /** Something about versions was written: what is remembered here is no longer true. */
  changed(): void {
    this.#by_ref.clear();
  }

  pause(id: string, now: number): void {
    this.#write(id, "updated_at = iif(paused_at IS NULL, ?1, updated_at), paused_at = coalesce(paused_at, ?1)", now);
  }

  resume(id: string, now: number): void {
    this.#write(id, "updated_at = iif(paused_at IS NULL, updated_at, ?), paused_at = NULL", now);
  }

  /** Deletes the key, its versions and all its names. */
  delete(id: string): void {
    this.#sql.exec("DELETE FROM api_key WHERE id = ?", id);
    this.#by_ref.clear();
  }

  /** Adds what rows that leave for D1 say about a key's use. */
  addUse(id: string, uses: number, last_used_at: number): void {
    this.#write(id, "uses = uses + ?, last_used_at = max(coalesce(last_used_at, 0), ?)", uses, last_used_at);
  }

  /** When any key was last used, as far as it is counted. */
  lastUsedAt(): number | null {
    return this.#sql.exec<{ at: number | null }>("SELECT max(last_used_at) AS at FROM api_key").one().at;
  }

  #write(id: string, set: string, ...values: SqlStorageValue[]): void {
    this.#sql.exec(`UPDATE api_key SET ${set} WHERE id = ?`, ...values, id);
    this.#by_ref.clear();
  }

  #select(where: string, ...values: SqlStorageValue[]): ApiKey[] {
    return this.#sql
      .exec<Row>(`${SELECT} WHERE ${where}`, ...values)
      .toArray()
      .map(({ provider: _in_destination, ...row }) => ({
        ...row,
        destination: JSON.parse(row.destination) as Destination,
        sealed_destination: row.destination,
        tags: JSON.parse(row.tags) as string[],
        scrub: row.scrub === 1,
        revealable: row.revealable === 1,
      }));
  }
}

function nameTaken(name: string): Problem {
  return new Problem("conflict", `A key is or was called ${name}.`, {
    errors: [{ field: "name", rule: "must not be a current or former name" }],
  });
}
