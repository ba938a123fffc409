import { newFamilyKey } from "../../crypto/lineage.ts";
import type { Sealer } from "../keys/sealer.ts";

/** A family's number and key, made before anything is written. */
export type PreparedFamily = { number: number; key: Uint8Array; sealed: Uint8Array };

const OPENED = 1_000;

/** The keys that derive families' tokens (SECURITY S8): sealed in table `family`, and remembered in memory once opened. */
export class FamilyKeys {
  readonly #sql: SqlStorage;
  readonly #sealer: Sealer;
  readonly #opened = new Map<number, Uint8Array>();
  #last_number: number | undefined;

  constructor(sql: SqlStorage, sealer: Sealer) {
    this.#sql = sql;
    this.#sealer = sealer;
  }

  /** Makes a family's key and seals it. */
  async prepare(): Promise<PreparedFamily> {
    this.#last_number ??= this.#sql.exec<{ n: number | null }>("SELECT max(number) AS n FROM family").one().n ?? 0;
    const number = ++this.#last_number;
    const key = newFamilyKey();
    return { number, key, sealed: await this.#sealer.sealValue(nameOf(number), key) };
  }

  /** The key of that family; undefined where there is none. */
  async of(number: number): Promise<Uint8Array | undefined> {
    const opened = this.#opened.get(number);
    if (opened !== undefined) return opened;
    const [row] = this.#sql
      .exec<{ sealed: ArrayBuffer }>("SELECT sealed FROM family WHERE number = ?", number)
      .toArray();
    if (row === undefined) return undefined;
    const key = await this.#sealer.openValue(nameOf(number), new Uint8Array(row.sealed));
    if (this.#opened.size >= OPENED) this.#opened.clear();
    this.#opened.set(number, key);
    return key;
  }

  /** Seals them all under the newest data key. */
  async reseal(): Promise<void> {
    const rows = this.#sql.exec<{ number: number; sealed: ArrayBuffer }>("SELECT number, sealed FROM family").toArray();
    for (const { number, sealed } of rows) {
      if (!this.#sealer.isOld(new Uint8Array(sealed))) continue;
      const key = await this.#sealer.openValue(nameOf(number), new Uint8Array(sealed));
      const again = await this.#sealer.sealValue(nameOf(number), new Uint8Array(key));
      this.#sql.exec("UPDATE family SET sealed = ? WHERE number = ?", again, number);
    }
  }
}

/** What a family's key is sealed as. */
function nameOf(number: number): string {
  return `family/${number}`;
}
