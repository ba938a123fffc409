import { ulid } from "ulid";
import type { KeyRing } from "../../config.ts";
import { utf8 } from "../../crypto/encoding.ts";
import {
  dataKeyIdOf,
  newDataKey,
  open,
  rewrapDataKey,
  seal,
  unwrapDataKey,
  type DataKey,
  type SealContext,
} from "../../crypto/seal.ts";
import { logFault, Problem } from "../../problem.ts";
import type { ApiKey } from "./keys.ts";

/** A secret's fields, such as `{ secret }` or `{ username, password }`. */
export type Secret = Record<string, string>;

/** A version of a key, as far as its secret is sealed for it. */
type SealedKey = Pick<ApiKey, "id" | "version" | "sealed_destination">;

/** A data key as it is stored: wrapped under a root key and the share of that KV name. */
export type WrappedDataKey = { id: number; root_id: string; wrapped: Uint8Array; share_name: string };

const CACHE_BYTES = 4 * 1024 * 1024;

/**
 * Table `data_key`, and the sealed blobs in KV under immutable names. Opened secrets are remembered while the object
 * lives, at most 4 MiB of them (SECURITY S27); nothing opened is ever written.
 */
export class Sealer {
  readonly #sql: SqlStorage;
  readonly #blobs: KVNamespace;
  readonly #roots: KeyRing;
  readonly #vault_id: string;
  readonly #opened = new Map<string, { secret: Secret; bytes: number }>();
  #opened_bytes = 0;
  readonly #data_keys = new Map<number, Promise<DataKey>>();
  #current: number | undefined;

  constructor(sql: SqlStorage, blobs: KVNamespace, roots: KeyRing, vault_id: string) {
    this.#sql = sql;
    this.#blobs = blobs;
    this.#roots = roots;
    this.#vault_id = vault_id;
  }

  /**
   * Makes a share and a data key, the first or the next. The row is returned, not written: writing is one synchronous step of the caller's.
   * Each share has a name of its own, so two creations that race cannot overwrite each other's.
   */
  async prepare(id = 1): Promise<WrappedDataKey> {
    const share = crypto.getRandomValues(new Uint8Array(32));
    const root = this.#roots.current;
    const { wrapped } = await newDataKey(root, share, this.#vault_id, id);
    const share_name = `${this.#vault_id}/share/${ulid()}`;
    await reachable(this.#blobs.put(share_name, share));
    return { id, root_id: root.id, wrapped, share_name };
  }

  addDataKey({ id, root_id, wrapped, share_name }: WrappedDataKey, now: number): void {
    this.#current = id;
    this.#sql.exec(
      "INSERT INTO data_key (id, root_id, wrapped, share_name, created_at) VALUES (?, ?, ?, ?, ?)",
      id,
      root_id,
      wrapped,
      share_name,
      now,
    );
  }

  /** Under which names the shares of this vault's data keys are in KV. */
  shareNames(): string[] {
    return this.#sql
      .exec<{ share_name: string }>("SELECT share_name FROM data_key")
      .toArray()
      .map(({ share_name }) => share_name);
  }

  /** Takes back a share whose data key was not written. */
  discard({ share_name }: WrappedDataKey): Promise<void> {
    return this.#delete(share_name);
  }

  /** Seals a new version's secret and puts the blob into KV; the caller commits the version afterwards. */
  async put(key_id: string, version: number, destination: string, secret: Secret): Promise<Uint8Array> {
    const data_key = await this.#dataKey();
    const blob = await seal(data_key, utf8(JSON.stringify(secret)), this.#context(key_id, version, destination));
    await reachable(this.#blobs.put(this.blobName(key_id, version), blob));
    return blob;
  }

  /**
   * Begins to fetch what a vault that has slept needs before it can open anything. Said before a call is judged: what is asked for after
   * its row was written waits until the row is durable.
   */
  wake(): void {
    if (!this.#data_keys.has(this.current)) void this.#dataKey().catch(() => {});
  }

  /** The newest data key is at hand: what is sealed next needs no store to be reached. */
  async ready(): Promise<void> {
    await this.#dataKey();
  }

  /** Seals what a part of the vault keeps in a table of its own; `name` says what it is, and nothing else opens it. */
  async sealValue(name: string, value: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return seal(await this.#dataKey(), value, this.#valueContext(name));
  }

  openValue(name: string, sealed: Uint8Array): Promise<Uint8Array> {
    return this.#openBlob(sealed, this.#valueContext(name));
  }

  /** The opened secret, if it is still in memory: then nothing needs to be awaited. */
  remembered(key: SealedKey): Secret | undefined {
    return this.#opened.get(this.blobName(key.id, key.version))?.secret;
  }

  /** Opens the key's current secret from the blob at hand, else from KV. */
  async open(key: SealedKey, at_hand: Uint8Array | undefined): Promise<Secret> {
    const name = this.blobName(key.id, key.version);
    this.wake();
    const blob = at_hand ?? new Uint8Array((await reachable(this.#blobs.get(name, "arrayBuffer"))) ?? missing());
    const plain = await this.#openBlob(blob, this.#context(key.id, key.version, key.sealed_destination));
    const secret = JSON.parse(new TextDecoder().decode(plain)) as Secret;
    this.#remember(name, secret, plain.length);
    return secret;
  }

  /** What does not open was changed, or its root key is not here: our trouble, and the row of the call says so. */
  async #openBlob(blob: Uint8Array, context: SealContext): Promise<Uint8Array> {
    try {
      return await open(await this.#dataKey(dataKeyIdOf(blob)), blob, context);
    } catch (fault) {
      if (fault instanceof Problem) throw fault;
      logFault("blob_not_opened", fault, { key: context.key_id, version: context.version });
      throw new Problem("unavailable", "What is sealed cannot be opened here.", { retry_after_s: 60, cause: fault });
    }
  }

  /** True where KV has the blob of this version. */
  async hasSpread(key_id: string, version: number): Promise<boolean> {
    return (await this.#blobs.get(this.blobName(key_id, version), "arrayBuffer")) !== null;
  }

  /** Never fails: one that is left behind by a fault is named by nothing any more, so it is unreachable. */
  async deleteBlob(key_id: string, version: number): Promise<void> {
    this.forget(key_id, version);
    await this.#delete(this.blobName(key_id, version));
  }

  forget(key_id: string, version: number): void {
    const name = this.blobName(key_id, version);
    this.#opened_bytes -= this.#opened.get(name)?.bytes ?? 0;
    this.#opened.delete(name);
  }

  blobName(key_id: string, version: number): string {
    return `${this.#vault_id}/${key_id}/${version}`;
  }

  #valueContext(name: string): SealContext {
    return { vault_id: this.#vault_id, key_id: name, version: 0, field: "value", destination: "" };
  }

  #context(key_id: string, version: number, destination: string): SealContext {
    return { vault_id: this.#vault_id, key_id, version, field: "secret", destination };
  }

  /** The newest data key: what is sealed now is sealed under it. */
  get current(): number {
    this.#current ??= this.#sql.exec<{ id: number }>("SELECT max(id) AS id FROM data_key").one().id;
    return this.#current;
  }

  /** Does this stand under an older data key? */
  isOld(sealed: Uint8Array): boolean {
    return dataKeyIdOf(sealed) < this.current;
  }

  /** Wraps the data keys under the current root key, where they are not. Nothing that is sealed changes (SECURITY S19). */
  async rewrap(): Promise<{ root_id: string }> {
    for (const row of this.#rows()) {
      if (row.root_id === this.#roots.current.id) continue;
      if (!this.#roots.by_id.has(row.root_id))
        throw new Problem("unavailable", `ROOT_KEYS lacks the key ${row.root_id}.`, { retry_after_s: 60 });
      await this.#rewrap(row);
    }
    return { root_id: this.#roots.current.id };
  }

  /** Since when things are sealed under the newest data key. */
  currentSince(): number {
    return this.#sql.exec<{ at: number }>("SELECT created_at AS at FROM data_key WHERE id = ?", this.current).one().at;
  }

  /** Forgets data keys that seal nothing any more, and then their shares: what is left under them opens no more. */
  async dropOld(): Promise<void> {
    const old = this.#rows().filter(({ id }) => id < this.current);
    for (const { id, share_name } of old) {
      this.#sql.exec("DELETE FROM data_key WHERE id = ?", id);
      this.#data_keys.delete(id);
      await this.#delete(share_name);
    }
  }

  /** Single-flight; a failure is not remembered. */
  #dataKey(id = this.current): Promise<DataKey> {
    let opening = this.#data_keys.get(id);
    if (opening === undefined) {
      opening = this.#unwrap(id).catch((fault: unknown) => {
        this.#data_keys.delete(id);
        throw fault;
      });
      this.#data_keys.set(id, opening);
    }
    return opening;
  }

  async #unwrap(id: number): Promise<DataKey> {
    const row = this.#rows().find((one) => one.id === id);
    if (row === undefined) throw new Error(`there is no data key ${id}`);
    const key = await unwrapDataKey(this.#roots, await this.#share(row), this.#vault_id, row);
    // A root key is on its way out: whoever wakes moves over by the way. Where that fails the sweep will see to it.
    if (row.root_id !== this.#roots.current.id)
      await this.#rewrap(row).catch((fault: unknown) => logFault("not_rewrapped", fault));
    return key;
  }

  async #rewrap(row: WrappedDataKey): Promise<void> {
    const { root_id, wrapped } = await rewrapDataKey(this.#roots, await this.#share(row), this.#vault_id, row);
    // Two that move it at once have wrapped the same key: whichever is written opens it.
    this.#sql.exec(
      "UPDATE data_key SET root_id = ?, wrapped = ? WHERE id = ? AND root_id = ?",
      root_id,
      wrapped,
      row.id,
      row.root_id,
    );
  }

  async #share({ share_name }: WrappedDataKey): Promise<Uint8Array> {
    return new Uint8Array((await reachable(this.#blobs.get(share_name, "arrayBuffer"))) ?? missing());
  }

  #rows(): WrappedDataKey[] {
    return this.#sql
      .exec<{ id: number; root_id: string; wrapped: ArrayBuffer; share_name: string }>(
        "SELECT id, root_id, wrapped, share_name FROM data_key ORDER BY id",
      )
      .toArray()
      .map((row) => ({ ...row, wrapped: new Uint8Array(row.wrapped) }));
  }

  async #delete(name: string): Promise<void> {
    try {
      await this.#blobs.delete(name);
    } catch (fault) {
      logFault("blob_left_behind", fault, { name });
    }
  }

  #remember(name: string, secret: Secret, bytes: number): void {
    if (this.#opened_bytes + bytes > CACHE_BYTES) {
      this.#opened.clear();
      this.#opened_bytes = 0;
    }
    this.#opened_bytes += bytes - (this.#opened.get(name)?.bytes ?? 0);
    this.#opened.set(name, { secret, bytes });
  }
}

async function reachable<T>(call: Promise<T>): Promise<T> {
  try {
    return await call;
  } catch (fault) {
    throw new Problem("unavailable", "The store of sealed secrets could not be reached.", {
      retry_after_s: 2,
      cause: fault,
    });
  }
}

/** KV may not show a new name here yet; it is never a reason to say that the key is gone. */
function missing(): never {
  throw new Problem("unavailable", "The sealed secret is not to be read here yet.", { retry_after_s: 5 });
}
