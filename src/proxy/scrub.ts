import { LONGEST_SPELLING, startOf, viewsOf, type View } from "./escapes.ts";
import { base64Alignments } from "./spellings.ts";

/**
 * Takes a credential out of what an upstream says: as it is; percent-, JSON-, hex- or HTML-escaped, also in part or twice over; and
 * as hex or base64 (any alignment, both alphabets). It stops accidents, not an upstream that means to leak (SECURITY S20).
 */

const REPLACEMENT = Buffer.from("[redacted]");
/** Shorter texts would tear holes into ordinary words. */
export const SHORTEST = 6;
const NEWLINE = 0x0a;

/** How often a byte that is held back is searched, about: each time with an eighth of what is held that is new. */
const SEARCHED_AGAIN = 8;
/** In so many pieces at most what is new waits: each costs more than the byte that it may hold. */
const PIECES = 256;

type Span = { start: number; end: number };

/** What a scrubber looks for: `needles` to the letter, `hexes` without regard to case; `longest` is that of any spelling. */
type Wanted = { needles: readonly Buffer[]; hexes: readonly Buffer[]; longest: number };

/** Scrubs the texts out of strings and streams. Works on bytes, so that any content passes unharmed. */
export class Scrubber {
  readonly #secrets: readonly string[];
  /** No spelling of a secret is shorter than the secret: what is shorter than all of them holds none. */
  readonly #shortest: number;
  #wanted: Wanted | undefined;

  constructor(secrets: readonly string[]) {
    // A header loses the spaces around its value on the way, and comes back without them.
    this.#secrets = secrets.map((secret) => secret.trim()).filter((secret) => secret.length >= SHORTEST);
    this.#shortest = Math.min(...this.#secrets.map(({ length }) => length));
  }

  /** A header value or other short text, whole. */
  text(value: string): string {
    if (value.length < this.#shortest) return value;
    return this.bytes(Buffer.from(value, "utf8")).toString("utf8");
  }

  /** A whole message. */
  bytes(message: Buffer): Buffer {
    return this.#replace(message, this.#find(message));
  }

  /** Copies a stream, scrubbed, whatever the chunks are. Answers how many bytes were written. */
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
    let held: Buffer = Buffer.alloc(0);
    let fresh: Uint8Array[] = [];
    let fresh_bytes = 0;
    let written = 0;
    const write = async (bytes: Buffer) => {
      if (bytes.length === 0) return;
      written += bytes.length;
      await writer.write(bytes);
    };
    try {
      signal.throwIfAborted();
      for (;;) {
        const { done, value } = await reader.read();
        if (done) break;
        fresh.push(value);
        fresh_bytes += value.length;
        // What is held is searched again with what is new: a byte at a time that would be dear.
        if (fresh_bytes * SEARCHED_AGAIN < held.length && !value.includes(NEWLINE)) {
          if (fresh.length === PIECES) fresh = [Buffer.concat(fresh)];
          continue;
        }
        const { out, keep } = this.step(Buffer.concat([held, ...fresh]));
        [held, fresh, fresh_bytes] = [keep, [], 0];
        await write(out);
      }
      signal.throwIfAborted();
      await write(this.bytes(Buffer.concat([held, ...fresh])));
      await writer.close();
      return written;
    } catch (fault) {
      stop();
      throw fault;
    } finally {
      signal.removeEventListener("abort", stop);
    }
  }

  /**
   * Scrubs what is certain and keeps back the rest. How much is kept does not depend on what it says: a tail that is held only
   * where it could begin the secret would tell a caller who can make the upstream repeat things what the secret begins with.
   * No spelling goes over the end of a line, so whole lines, and with them whole events, are never held.
   */
  step(text: Buffer): { out: Buffer; keep: Buffer } {
    const spans = this.#find(text);
    let cut = Math.max(text.lastIndexOf(NEWLINE) + 1, text.length - Math.max(0, this.#look().longest - 1), 0);
    for (const { start, end } of spans) if (start < cut && end > cut) cut = end;
    const sure = text.subarray(0, cut);
    const out = this.#replace(
      sure,
      spans.filter(({ end }) => end <= cut),
    );
    return { out, keep: text.subarray(cut) };
  }

  /** Where the secrets stand, in order, without overlaps. */
  #find(text: Buffer): Span[] {
    if (text.length < this.#shortest) return [];
    const { needles, hexes } = this.#look();
    const spans: Span[] = [];
    for (const view of viewsOf(text)) {
      for (const needle of needles) collect(view, view.bytes, needle, spans);
      const lower = lowerCase(view.bytes);
      for (const needle of hexes) collect(view, lower, needle, spans);
    }
    return merged(spans);
  }

  /** Worked out when something is long enough to be searched: most calls have nothing that is. */
  #look(): Wanted {
    this.#wanted ??= wantedOf(this.#secrets);
    return this.#wanted;
  }

  #replace(text: Buffer, spans: readonly Span[]): Buffer {
    if (spans.length === 0) return text;
    const parts: Buffer[] = [];
    let from = 0;
    for (const { start, end } of spans) {
      parts.push(text.subarray(from, start), REPLACEMENT);
      from = end;
    }
    return Buffer.concat([...parts, text.subarray(from)]);
  }
}

function wantedOf(secrets: readonly string[]): Wanted {
  const needles = secrets.flatMap((secret) => {
    const bytes = Buffer.from(secret, "utf8");
    const plain = [bytes, Buffer.from(secret.replaceAll(" ", "+"))];
    return [...plain, ...base64Alignments(bytes).map((text) => Buffer.from(text))];
  });
  const hexes = secrets.map((secret) => Buffer.from(Buffer.from(secret, "utf8").toString("hex")));
  const longest = Math.max(0, ...[...needles, ...hexes].map(({ length }) => length)) * LONGEST_SPELLING;
  return { needles, hexes, longest };
}

function collect(view: View, haystack: Buffer, needle: Buffer, spans: Span[]): void {
  for (let at = haystack.indexOf(needle); at >= 0; at = haystack.indexOf(needle, at + 1)) {
    spans.push({ start: startOf(view, at), end: startOf(view, at + needle.length) });
  }
}

function merged(spans: readonly Span[]): Span[] {
  const result: Span[] = [];
  for (const span of spans.toSorted((a, b) => a.start - b.start)) {
    const last = result.at(-1);
    if (last !== undefined && span.start < last.end) last.end = Math.max(last.end, span.end);
    else result.push({ ...span });
  }
  return result;
}

/** Letters beyond ASCII may change too, one byte for one: no hex holds any. */
function lowerCase(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString("latin1").toLowerCase(), "latin1");
}
