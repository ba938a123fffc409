/**
 * Takes a credential out of what an upstream says: as it is, and as base64 (any alignment, both alphabets), hex, percent-
 * and JSON-escaped text. It stops accidents, not an upstream that means to leak (SECURITY S20).
 */

const REPLACEMENT = "[redacted]";
/** Shorter texts would tear holes into ordinary words. */
const SHORTEST = 6;

/** Scrubs the texts out of strings and streams. Works on bytes seen as latin1, so that any content passes unharmed. */
export class Scrubber {
  readonly #needles: readonly string[];
  readonly #pattern: RegExp | undefined;

  constructor(secrets: readonly string[]) {
    const needles = new Set(secrets.filter((secret) => secret.length >= SHORTEST).flatMap(spellings));
    // Longest first: where one spelling contains another, all of it goes.
    this.#needles = [...needles].filter((needle) => needle.length >= SHORTEST).sort((a, b) => b.length - a.length);
    this.#pattern =
      this.#needles.length === 0
        ? undefined
        : new RegExp(this.#needles.map((needle) => RegExp.escape(needle)).join("|"), "gi");
  }

  /** A header value or other short text, whole. */
  text(value: string): string {
    if (this.#pattern === undefined) return value;
    const bytes = Buffer.from(value, "utf8").toString("latin1");
    return Buffer.from(bytes.replace(this.#pattern, REPLACEMENT), "latin1").toString("utf8");
  }

  /** Copies a stream, scrubbed, whatever the chunks are. Bytes that cannot begin a spelling are never held back. */
  async pipe(
    source: ReadableStream<Uint8Array>,
    sink: WritableStream<Uint8Array>,
    signal: AbortSignal,
  ): Promise<number> {
    const reader = source.getReader();
    const writer = sink.getWriter();
    const stop = () => {
      void reader.cancel(signal.reason).catch(() => {});
      void writer.abort(signal.reason).catch(() => {});
    };
    signal.addEventListener("abort", stop, { once: true });
    let held = "";
    let written = 0;
    const write = async (text: string) => {
      if (text === "") return;
      const bytes = Buffer.from(text, "latin1");
      written += bytes.length;
      await writer.write(bytes);
    };
    try {
      signal.throwIfAborted();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        const { out, keep } = this.step(held + Buffer.from(value).toString("latin1"));
        held = keep;
        await write(out);
      }
      signal.throwIfAborted();
      await write(this.#pattern === undefined ? held : held.replace(this.#pattern, REPLACEMENT));
      await writer.close();
      return written;
    } catch (fault) {
      stop();
      throw fault;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /** Scrubs what is certain and keeps back the shortest tail that could still become a spelling. */
  step(text: string): { out: string; keep: string } {
    if (this.#pattern === undefined) return { out: text, keep: "" };
    const kept = this.#openTail(text.toLowerCase());
    // A spelling that is complete but lies across the cut must not be torn: it is found in the whole text first.
    for (const { index, 0: match } of text.matchAll(this.#pattern)) {
      if (index < text.length - kept && index + match.length > text.length - kept) {
        return this.#split(text, text.length - index);
      }
    }
    return this.#split(text, kept);
  }

  #split(text: string, kept: number): { out: string; keep: string } {
    const cut = text.length - kept;
    return { out: text.slice(0, cut).replace(this.#pattern as RegExp, REPLACEMENT), keep: text.slice(cut) };
  }

  /** Length of the longest suffix that is the proper beginning of a spelling. */
  #openTail(text: string): number {
    let longest = 0;
    for (const needle of this.#needles) {
      const wanted = needle.toLowerCase();
      for (let length = Math.min(wanted.length - 1, text.length); length > longest; length--) {
        if (text.endsWith(wanted.slice(0, length))) {
          longest = length;
          break;
        }
      }
    }
    return longest;
  }
}

/** Every listed spelling of a secret, as latin1 views of its bytes. Compared without regard to case, which covers both hexes. */
export function spellings(secret: string): string[] {
  const bytes = Buffer.from(secret, "utf8");
  const raw = bytes.toString("latin1");
  const json = JSON.stringify(secret).slice(1, -1);
  const percent = encodeURIComponent(secret);
  return [
    raw,
    bytes.toString("hex"),
    Buffer.from(json).toString("latin1"),
    Buffer.from(json.replaceAll("/", "\\/")).toString("latin1"),
    Array.from({ length: secret.length }, (_, at) => `\\u${secret.charCodeAt(at).toString(16).padStart(4, "0")}`).join(
      "",
    ),
    percent,
    percent.replaceAll("%20", "+"),
    [...bytes].map((byte) => `%${byte.toString(16).padStart(2, "0")}`).join(""),
    ...base64Alignments(bytes),
  ];
}

/** Base64 of the bytes within longer data: for each alignment, the characters that do not depend on what stands around. */
function base64Alignments(bytes: Buffer): string[] {
  const aligned = [0, 1, 2].map((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString("base64");
    const first = Math.ceil((offset * 8) / 6);
    const last = Math.floor(((offset + bytes.length) * 8) / 6);
    return text.slice(first, last);
  });
  return aligned.flatMap((text) => [text, text.replaceAll("+", "-").replaceAll("/", "_")]);
}
