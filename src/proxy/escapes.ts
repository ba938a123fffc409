/** Texts as they read with escapes undone, and where each of their bytes stood before. */

const [PERCENT, AMPERSAND, BACKSLASH] = [0x25, 0x26, 0x5c];
/** Escapes within escapes, as deep as they are undone, the outermost first: JSON in JSON, a percent-encoded URL in a query, HTML in JSON, JSON in HTML. */
const LAYERS = [
  [[PERCENT], [PERCENT]],
  [[BACKSLASH], [BACKSLASH]],
  [[AMPERSAND], [AMPERSAND]],
  [
    [PERCENT, BACKSLASH],
    [PERCENT, BACKSLASH],
  ],
  [[BACKSLASH], [AMPERSAND]],
  [[AMPERSAND], [BACKSLASH]],
];
/** What templates write for letters that mean something in HTML, by name or by number. */
const ENTITY = /^&(?:(amp|lt|gt|quot|apos)|#0{0,2}(\d{1,3})|#x0{0,2}([0-9a-f]{1,2}));/i;
const NAMED: Record<string, string> = { amp: "&", lt: "<", gt: ">", quot: '"', apos: "'" };
const LONGEST_ENTITY = "&#x002f;".length;
/** The longest spelling of one byte at that depth: an entity whose sign is an entity. */
export const LONGEST_SPELLING = "&#x0026;#x002f;".length;

/** A text with some escapes undone; `starts[i]` is where its byte `i` begins in the text as it came, with one entry past the end; undefined where nothing moved. */
export type View = { bytes: Buffer; starts: Uint32Array | undefined };

/** Where a byte of a view begins in the text as it came. */
export function startOf({ starts }: View, at: number): number {
  return starts === undefined ? at : (starts[at] as number);
}

/**
 * The text, and what it reads as with escapes undone, once and twice. Each kind is undone by itself too: a secret may hold what
 * looks like an escape of the other kind.
 */
export function viewsOf(bytes: Buffer): View[] {
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
