import { base64Alignments } from "./spellings.ts";

/**
 * Takes a credential out of what an upstream says: as it is; percent-, JSON-, hex- or HTML-escaped, also in part or twice over; and
 * as hex or base64 (any alignment, both alphabets). It stops accidents, not an upstream that means to leak (SECURITY S20).
 */

const REPLACEMENT = Buffer.from("[redacted]");
/** Shorter texts would tear holes into ordinary words. */
export const SHORTEST = 6;
const [PERCENT, AMPERSAND, BACKSLASH, NEWLINE] = [0x25, 0x26, 0x5c, 0x0a];
/** Escapes within escapes, as deep as they are undone, the outermost first: JSON in JSON, a percent-encoded URL in a query, HTML in JSON. */
const LAYERS = [
  [[PERCENT], [PERCENT]],
  [[BACKSLASH], [BACKSLASH]],
  [[AMPERSAND], [AMPERSAND]],
  [
    [PERCENT, BACKSLASH],
    [PERCENT, BACKSLASH],
  ],
  [[BACKSLASH], [AMPERSAND]],
];
/** What templates write for letters that mean something in HTML, by name or by number. */
const ENTITY = /^&(?:(amp|lt|gt|quot|apos)|#0{0,2}(\d{1,3})|#x0{0,2}([0-9a-f]{1,2}));/i;
const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const LONGEST_ENTITY = "&#x002f;".length;
/** The longest spelling of one byte at that depth: an entity whose sign is escaped in JSON. */
const LONGEST_SPELLING = "\\u0026#x002f;".length;

/** How often a byte that is held back is searched, about: each time with an eighth of what is held that is new. */
const SEARCHED_AGAIN = 8;
/** In so many pieces at most what is new waits: each costs more than the byte that it may hold. */
const PIECES = 256;

/** A text with some escapes undone; `starts[i]` is where its byte `i` begins in the text as it came, with one entry past the end; undefined where nothing moved. */
type View = { bytes: Buffer; starts: Uint32Array | undefined };
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
    this.#secrets = secrets.filter((secret) => secret.length >= SHORTEST);
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

/** Where a byte of a view begins in the text as it came. */
function startOf({ starts }: View, at: number): number {
  return starts === undefined ? at : (starts[at] as number);
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

/**
 * The text, and what it reads as with escapes undone, once and twice. Each kind is undone by itself too: a secret may hold what
 * looks like an escape of the other kind.
 */
function viewsOf(bytes: Buffer): View[] {
  const views: View[] = [{ bytes, starts: undefined }];
  for (const layers of LAYERS) {
    let view = views[0];
    for (const kinds of layers) {
      view = view && unescaped(view, kinds);
      if (view !== undefined) views.push(view);
    }
  }
  return views;
}

/** One layer of escapes undone: `%41`; `\u0041`, `\x41`, `\/`, `\"`, `\\`; `&#65;`, `&quot;`. Undefined where there was none. */
function unescaped(view: View, kinds: readonly number[]): View | undefined {
  const { bytes } = view;
  if (!kinds.every((kind) => bytes.includes(kind))) return undefined;
  const out = Buffer.alloc(bytes.length);
  const from = new Uint32Array(bytes.length + 1);
  let length = 0;
  for (let at = 0; at < bytes.length;) {
    const { byte, taken } = unescapeAt(bytes, at, kinds);
    out[length] = byte;
    from[length++] = startOf(view, at);
    at += taken;
  }
  if (length === bytes.length) return undefined;
  from[length] = startOf(view, bytes.length);
  return { bytes: out.subarray(0, length), starts: from.subarray(0, length + 1) };
}

function unescapeAt(bytes: Buffer, at: number, kinds: readonly number[]): { byte: number; taken: number } {
  const byte = bytes[at] as number;
  if (!kinds.includes(byte)) return { byte, taken: 1 };
  if (byte === PERCENT) return hexAt(bytes, at + 1, 2, 3) ?? { byte, taken: 1 };
  if (byte === AMPERSAND) return entityAt(bytes, at) ?? { byte, taken: 1 };
  switch (bytes[at + 1]) {
    case 0x75: // u
      return hexAt(bytes, at + 2, 4, 6) ?? { byte, taken: 1 };
    case 0x78: // x
      return hexAt(bytes, at + 2, 2, 4) ?? { byte, taken: 1 };
    case 0x22: // "
    case 0x2f: // /
    case 0x5c: // \
      return { byte: bytes[at + 1] as number, taken: 2 };
    default:
      return { byte, taken: 1 };
  }
}

/** One byte of ASCII from an entity; none where there is none. */
function entityAt(bytes: Buffer, at: number): { byte: number; taken: number } | undefined {
  const [whole = "", named, decimal, hex] = ENTITY.exec(bytes.toString("latin1", at, at + LONGEST_ENTITY)) ?? [];
  if (whole === "") return undefined;
  const byte = named === undefined ? Number(decimal ?? `0x${hex}`) : (NAMED[named.toLowerCase()] ?? "").charCodeAt(0);
  return byte <= 0x7f ? { byte, taken: whole.length } : undefined;
}

/** One byte from hex digits; none where they are not all there or name a character beyond a byte. */
function hexAt(bytes: Buffer, at: number, digits: number, taken: number): { byte: number; taken: number } | undefined {
  let byte = 0;
  for (let digit = at; digit < at + digits; digit++) byte = byte * 16 + hexDigit(bytes[digit]);
  return byte <= 0xff ? { byte, taken } : undefined;
}

/** What a hex digit counts; NaN for anything else. */
function hexDigit(byte = 0): number {
  if (byte >= 0x30 && byte <= 0x39) return byte - 0x30;
  const lower = byte | 0x20;
  return lower >= 0x61 && lower <= 0x66 ? lower - 0x57 : NaN;
}

/** Letters beyond ASCII may change too, one byte for one: no hex holds any. */
function lowerCase(bytes: Buffer): Buffer {
  return Buffer.from(bytes.toString("latin1").toLowerCase(), "latin1");
}
