import type { Token } from "./token.ts";

const REMEMBERED = 2_000;

/**
 * Tokens that were read, within the vault that holds them: by the hashes they came with, and by id where others were derived from
 * them. What is written to a token's row is forgotten here in the same step.
 */
export class Remembered {
  readonly #by_hash = new Map<string, Token>();
  /** Hashes that are remembered, by token. */
  readonly #hashes = new Map<string, string[]>();
  readonly #by_id = new Map<string, Token>();

  byHash(hash: string): Token | undefined {
    return this.#by_hash.get(hash);
  }

  byId(id: string): Token | undefined {
    return this.#by_id.get(id);
  }

  keepHash(hash: string, token: Token): void {
    if (this.#by_hash.size >= REMEMBERED) {
      this.#by_hash.clear();
      this.#hashes.clear();
    }
    this.#by_hash.set(hash, token);
    this.#hashes.set(token.id, [...(this.#hashes.get(token.id) ?? []), hash]);
  }

  keepId(token: Token): void {
    if (this.#by_id.size >= REMEMBERED) this.#by_id.clear();
    this.#by_id.set(token.id, token);
  }

  forget(id: string): void {
    for (const hash of this.#hashes.get(id) ?? []) this.#by_hash.delete(hash);
    this.#hashes.delete(id);
    this.#by_id.delete(id);
  }

  forgetAll(): void {
    this.#by_hash.clear();
    this.#hashes.clear();
    this.#by_id.clear();
  }
}
