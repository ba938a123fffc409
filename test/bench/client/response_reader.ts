export type OnBody = (bytes: Buffer) => void;

const END_OF_HEAD = Buffer.from("\r\n\r\n");
const END_OF_LINE = Buffer.from("\r\n");

/**
 * Reads one HTTP/1.1 answer from pieces (RFC 9112 §6 and §7.1). Only what the targets send is known here: a length or
 * chunks, no interim answers, nothing pipelined.
 */
export class ResponseReader {
  status = 0;
  #phase: "head" | "body" | "chunk_size" | "chunk" | "trailer" | "done" = "head";
  /** Bytes still to come of the body, or of the chunk. */
  #left = 0;
  /** A head or line whose end has not come yet. */
  #unread: Buffer | undefined;
  readonly #onBody: OnBody | undefined;

  constructor(onBody?: OnBody) {
    this.#onBody = onBody;
  }

  /** True once the answer is whole. */
  feed(piece: Buffer): boolean {
    const bytes = this.#unread === undefined ? piece : Buffer.concat([this.#unread, piece]);
    this.#unread = undefined;
    let at = 0;
    while (at < bytes.length && this.#phase !== "done") {
      const next = this.#phase === "body" || this.#phase === "chunk" ? this.#body(bytes, at) : this.#text(bytes, at);
      if (next === undefined) {
        this.#unread = bytes.subarray(at);
        return false;
      }
      at = next;
    }
    return this.#phase === "done";
  }

  #body(bytes: Buffer, at: number): number {
    const end = Math.min(bytes.length, at + this.#left);
    this.#onBody?.(bytes.subarray(at, end));
    this.#left -= end - at;
    if (this.#left === 0) this.#phase = this.#phase === "chunk" ? "chunk_size" : "done";
    return end;
  }

  /** Where the head or line that begins at `at` is over; undefined if its end is still to come. */
  #text(bytes: Buffer, at: number): number | undefined {
    const mark = this.#phase === "head" ? END_OF_HEAD : END_OF_LINE;
    const end = bytes.indexOf(mark, at);
    if (end < 0) return undefined;
    const text = bytes.toString("latin1", at, end);
    if (this.#phase === "head") this.#head(text);
    else if (this.#phase === "trailer") this.#phase = text === "" ? "done" : "trailer";
    else if (text !== "") this.#chunk(Number.parseInt(text, 16));
    return end + mark.length;
  }

  #head(text: string): void {
    this.status = Number(text.slice(9, 12));
    const [, length] = /\r\ncontent-length: *(\d+)/i.exec(text) ?? [];
    if (length !== undefined) {
      this.#left = Number(length);
      this.#phase = this.#left === 0 ? "done" : "body";
    } else if (/\r\ntransfer-encoding: *chunked/i.test(text)) this.#phase = "chunk_size";
    else throw new Error(`The answer's end cannot be told from its head:\n${text}`);
  }

  #chunk(size: number): void {
    this.#left = size;
    this.#phase = size === 0 ? "trailer" : "chunk";
  }
}
