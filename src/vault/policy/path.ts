import { Problem } from "../../problem.ts";
import { TOKEN_LIKE } from "../../crypto/token.ts";

/**
 * The upstream path of a call: as it came, and its once-decoded segments, which is what rules are matched on.
 * Everything that decides or sends uses this one reading of it (SECURITY S26).
 */
export type UpstreamPath = { raw: string; segments: readonly string[] };

/** A path is at most this long, and shorter where rules are matched on it: matching costs path times pattern. */
const LONGEST = 8_192;
const LONGEST_STRICT = 4_096;

const PRINTABLE = /^[!-~]*$/;
const BROKEN_ESCAPE = /%(?![0-9a-fA-F]{2})/;

/**
 * Reads an upstream path. It must begin with one slash (or be empty, which means `/`) and be unambiguous: whatever a
 * URL parser or a server might fold differently is refused. `strict` is for keys with a base path and tokens with path
 * rules, where even a legal but foldable spelling could slip out of the fence.
 */
export function readPath(raw: string, strict: boolean): UpstreamPath {
  const path = raw === "" ? "/" : raw;
  const longest = strict ? LONGEST_STRICT : LONGEST;
  if (path.length > longest) throw refused(`The path is longer than ${longest} bytes.`);
  if (!path.startsWith("/")) throw refused("The path must begin with a slash.");
  if (!PRINTABLE.test(path) || path.includes("\\") || path.includes("#") || BROKEN_ESCAPE.test(path)) {
    throw refused("The path has a character or an escape that no URL path has.");
  }
  const segments = path.slice(1).split("/").map(decodeOnce);
  if (segments.some((segment) => segment === "." || segment === "..")) throw refused("The path has a dot segment.");
  if (segments.some((segment) => segment.search(TOKEN_LIKE) >= 0)) {
    throw refused("The path carries a token; send it in a header.");
  }
  if (strict && segments.some(foldable)) {
    throw refused("The path has a segment that servers read in different ways.");
  }
  return { raw: path, segments };
}

/** A glob, cut up once: a segment without a star is a word, one with stars is what stands between them, `**` is any number of segments. */
export type Glob = readonly GlobPart[];
type GlobPart = string | readonly string[];
const ANY = "**";

export function readGlob(glob: string): Glob {
  return glob
    .replace(/^\//, "")
    .split("/")
    .map((part) => (part === ANY || !part.includes("*") ? part : part.split("")));
}

/**
 * Does a glob cover the path? `*` stands for anything within one segment, `**` for any number of segments.
 * The match is on decoded segments, case-sensitive and whole.
 */
export function covers(glob: Glob, { segments }: UpstreamPath): boolean {
  return wildcard(glob, segments, ANY, (part, segment) =>
    typeof part === "string"
      ? part === segment
      : wildcard(part, segment.split(""), "*", (wanted, given) => wanted === given),
  );
}

/**
 * Does a glob cover all that another covers? Never yes where it does not: the inner one's wildcards are taken as things that
 * only a wildcard of the outer one can stand for. (No, now and then, where it does: `/a/*` and `/a/**` together, say.)
 */
export function coversGlob(outer: Glob, inner: Glob): boolean {
  return wildcard(outer, inner, ANY, (part, given) => {
    if (given === ANY) return false;
    if (typeof part === "string") return part === given;
    // A star of the inner glob is a letter here that nothing but a star stands for.
    return wildcard(part, typeof given === "string" ? given.split("") : given, "*", (a, b) => a === b);
  });
}

/** Greedy wildcard match: linear in pattern × items, so that no glob can be made slow. */
function wildcard<Part, Item>(
  pattern: readonly Part[],
  items: readonly Item[],
  star: Part,
  matches: (part: Part, item: Item) => boolean,
): boolean {
  let at = 0;
  let lastStar = -1;
  let resume = 0;
  for (let i = 0; i < items.length;) {
    const part = pattern[at];
    if (part === star) {
      lastStar = at++;
      resume = i;
    } else if (part !== undefined && matches(part, items[i] as Item)) {
      at++;
      i++;
    } else if (lastStar >= 0) {
      at = lastStar + 1;
      i = ++resume;
    } else return false;
  }
  return pattern.slice(at).every((part) => part === star);
}

/** Would some server read this segment as another, as several, or as none? Judged after the folding that Unicode allows. */
function foldable(segment: string, index: number, all: readonly string[]): boolean {
  const last = index === all.length - 1;
  const folded = segment.normalize("NFKC");
  return (segment === "" && !last) || /[/\\;\p{Cc}]|%(2e|2f|5c|00)/iu.test(folded) || /^[.\s]+$/.test(folded);
}

function decodeOnce(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw refused("The path's escapes are not UTF-8.");
  }
}

function refused(detail: string): Problem {
  return new Problem("target_refused", detail);
}
