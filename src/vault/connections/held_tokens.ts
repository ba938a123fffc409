import { utf8 } from "../../crypto/encoding.ts";
import { sealName } from "./connection.ts";
import type { Row } from "./connection_rows.ts";
import type { Sealer, Secret } from "../keys/sealer.ts";

/** An access token as a call needs it. `serial` tells it from those before and after. */
export type Access = { secret: Secret; serial: number };

/** A pair as a provider gave it; without a refresh token where it gives none. */
export type Pair = { access_token: string; refresh_token?: string | undefined };

type Parts = { sql: SqlStorage; sealer: Sealer };

const REMEMBERED = 200;

/** Tokens of providers: sealed like any secret, bound to key, number and where they may be sent; the last opened are remembered. */
export class HeldTokens {
  readonly #parts: Parts;
  readonly #opened = new Map<string, Access>();

  constructor(parts: Parts) {
    this.#parts = parts;
  }

  /** The access token of this row, if it is still in memory: then nothing needs to be awaited. */
  atHand(row: Row | undefined): Access | undefined {
    const access = row && this.#opened.get(row.key_id);
    return access?.serial === row?.serial ? access : undefined;
  }

  remember(key_id: string, access: Access): void {
    if (this.#opened.size >= REMEMBERED) this.#opened.clear();
    this.#opened.set(key_id, access);
  }

  forget(key_id: string): void {
    this.#opened.delete(key_id);
  }

  async seal({ key_id, serial, binding }: Pick<Row, "key_id" | "serial" | "binding">, pair: Pair) {
    const sealed = await this.#parts.sealer.sealValue(sealName(key_id, serial, binding), utf8(JSON.stringify(pair)));
    return new Uint8Array(sealed).buffer;
  }

  async open({ key_id, serial, binding, sealed }: Row): Promise<Pair> {
    const plain = await this.#parts.sealer.openValue(sealName(key_id, serial, binding), new Uint8Array(sealed ?? []));
    return JSON.parse(new TextDecoder().decode(plain)) as Pair;
  }

  /** Seals all of them under the newest data key. One that is renewed meanwhile is so by itself. */
  async reseal(): Promise<void> {
    const { sql } = this.#parts;
    for (const row of sql.exec<Row>("SELECT * FROM connection WHERE sealed IS NOT NULL").toArray()) {
      const again = await this.again(row);
      if (again === undefined) continue;
      sql.exec("UPDATE connection SET sealed = ? WHERE key_id = ? AND serial = ?", again, row.key_id, row.serial);
    }
  }

  /** The same pair under the newest data key, where it is under an older one. */
  async again(row: Pick<Row, "key_id" | "serial" | "binding" | "sealed">): Promise<ArrayBuffer | undefined> {
    const { sealer } = this.#parts;
    if (row.sealed === null || !sealer.isOld(new Uint8Array(row.sealed))) return undefined;
    const name = sealName(row.key_id, row.serial, row.binding);
    const plain = await sealer.openValue(name, new Uint8Array(row.sealed));
    return new Uint8Array(await sealer.sealValue(name, new Uint8Array(plain))).buffer;
  }
}
