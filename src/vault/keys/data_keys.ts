import { ulid } from "ulid";
import type { KeyRing } from "../../config.ts";
import { newDataKey, rewrapDataKey, unwrapDataKey, type DataKey } from "../../crypto/seal.ts";
import { logFault, Problem } from "../../problem.ts";
import type { Blobs } from "./blobs.ts";

/** A data key as it is stored: wrapped under a root key and the share of that KV name. */
export type WrappedDataKey = { id: number; root_id: string; wrapped: Uint8Array; share_name: string };

/** Table `data_key`: each wrapped under a root key and a share of its own that lies in KV. Opened ones are remembered while the object lives. */
export class DataKeys {
  readonly #sql: SqlStorage;
  readonly #blobs: Blobs;
  readonly #roots: KeyRing;
  readonly #vault_id: string;
  readonly #opened = new Map<number, Promise<DataKey>>();
  #current: number | undefined;

  constructor(sql: SqlStorage, blobs: Blobs, roots: KeyRing, vault_id: string) {
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
    await this.#blobs.put(share_name, share);
    return { id, root_id: root.id, wrapped, share_name };
  }

  /** In memory, or on its way there? */
  isOpen(): boolean {
    return this.#opened.has(this.current);
  }

  add({ id, root_id, wrapped, share_name }: WrappedDataKey, now: number): void {
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
    return this.#blobs.delete(share_name);
  }

  /** The newest data key: what is sealed now is sealed under it. */
  get current(): number {
    this.#current ??= this.#sql.exec<{ id: number }>("SELECT max(id) AS id FROM data_key").one().id;
    return this.#current;
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
      this.#opened.delete(id);
      await this.#blobs.delete(share_name);
    }
  }

  /** The data key of that number, by default the newest. Single-flight; a failure is not remembered. */
  open(id = this.current): Promise<DataKey> {
    let opening = this.#opened.get(id);
    if (opening === undefined) {
      opening = this.#unwrap(id).catch((fault: unknown) => {
        this.#opened.delete(id);
        throw fault;
      });
      this.#opened.set(id, opening);
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

  #share({ share_name }: WrappedDataKey): Promise<Uint8Array> {
    return this.#blobs.get(share_name);
  }

  #rows(): WrappedDataKey[] {
    return this.#sql
      .exec<{ id: number; root_id: string; wrapped: ArrayBuffer; share_name: string }>(
        "SELECT id, root_id, wrapped, share_name FROM data_key ORDER BY id",
      )
      .toArray()
      .map((row) => ({ ...row, wrapped: new Uint8Array(row.wrapped) }));
  }
}
