import type { KeyRing } from "../../config.ts";
import { utf8 } from "../../crypto/encoding.ts";
import { dataKeyIdOf, open, seal, type SealContext } from "../../crypto/seal.ts";
import { logFault, Problem } from "../../problem.ts";
import { Blobs } from "./blobs.ts";
import { DataKeys } from "./data_keys.ts";
import type { ApiKey } from "./key.ts";

/** A secret's fields, such as `{ secret }` or `{ username, password }`. */
export type Secret = Record<string, string>;

/** A version of a key, as far as its secret is sealed for it. */
export type SealedKey = Pick<ApiKey, "id" | "version" | "sealed_destination">;

const CACHE_BYTES = 4 * 1024 * 1024;

/**
 * Secrets, sealed with the vault's data keys and kept in KV under immutable names. Opened secrets are remembered while the object
 * lives, at most 4 MiB of them (SECURITY S27); nothing opened is ever written.
 */
export class Sealer {
  readonly data_keys: DataKeys;
  readonly #blobs: Blobs;
  readonly #vault_id: string;
  readonly #opened = new Map<string, { secret: Secret; bytes: number }>();
  #opened_bytes = 0;

  constructor(sql: SqlStorage, kv: KVNamespace, roots: KeyRing, vault_id: string) {
    this.#blobs = new Blobs(kv);
    this.data_keys = new DataKeys(sql, this.#blobs, roots, vault_id);
    this.#vault_id = vault_id;
  }

  /** Seals a new version's secret and puts the blob into KV; the caller commits the version afterwards. */
  async put(key_id: string, version: number, destination: string, secret: Secret): Promise<Uint8Array> {
    const data_key = await this.data_keys.open();
    const blob = await seal(data_key, utf8(JSON.stringify(secret)), this.#context(key_id, version, destination));
    await this.#blobs.put(this.blobName(key_id, version), blob);
    return blob;
  }

  /**
   * Begins to fetch what a vault that has slept needs before it can open anything. Said before a call is judged: what is asked for after
   * its row was written waits until the row is durable.
   */
  wake(): void {
    if (!this.data_keys.isOpen()) void this.data_keys.open().catch(() => {});
  }

  /** The newest data key is at hand: what is sealed next needs no store to be reached. */
  async ready(): Promise<void> {
    await this.data_keys.open();
  }

  /** Seals what a part of the vault keeps in a table of its own; `name` says what it is, and nothing else opens it. */
  async sealValue(name: string, value: Uint8Array<ArrayBuffer>): Promise<Uint8Array> {
    return seal(await this.data_keys.open(), value, this.#valueContext(name));
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
    const blob = at_hand ?? (await this.#blobs.get(name));
    const plain = await this.#openBlob(blob, this.#context(key.id, key.version, key.sealed_destination));
    const secret = JSON.parse(new TextDecoder().decode(plain)) as Secret;
    this.#remember(name, secret, plain.length);
    return secret;
  }

  /** What does not open was changed, or its root key is not here: our trouble, and the row of the call says so. */
  async #openBlob(blob: Uint8Array, context: SealContext): Promise<Uint8Array> {
    try {
      return await open(await this.data_keys.open(dataKeyIdOf(blob)), blob, context);
    } catch (fault) {
      if (fault instanceof Problem) throw fault;
      logFault("blob_not_opened", fault, { key: context.key_id, version: context.version });
      throw new Problem("unavailable", "What is sealed cannot be opened here.", { retry_after_s: 60, cause: fault });
    }
  }

  /** True where KV has the blob of this version. */
  hasSpread(key_id: string, version: number): Promise<boolean> {
    return this.#blobs.has(this.blobName(key_id, version));
  }

  /** Never fails. */
  deleteBlob(key_id: string, version: number): Promise<void> {
    this.forget(key_id, version);
    return this.#blobs.delete(this.blobName(key_id, version));
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

  /** Does this stand under an older data key? */
  isOld(sealed: Uint8Array): boolean {
    return dataKeyIdOf(sealed) < this.data_keys.current;
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
