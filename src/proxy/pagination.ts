/** Relations that only say where other pages of a list are; every other could make a browser fetch something. */
const PAGES = new Set(["next", "prev", "previous", "first", "last"]);
/** `<` ends a URL that was not closed: read on to the end for each of a thousand, they would cost a second. */
const LINK = /<([^<>]*)>((?:\s*;\s*[\w*]+\s*=\s*(?:"[^"]*"|[^",;]+))*)/g;
const REL = /;\s*rel\s*=\s*(?:"([^"]*)"|([^",;\s]+))/i;

/**
 * The part of a `link` header by which SDKs turn pages (RFC 8288), with its URLs rewritten as redirects are. GitHub, Shopify
 * and others page by nothing else. Everything else in it is dropped (SECURITY S1).
 */
export function pagination(link: string | null, rewritten: (url: string) => string): string {
  if (link === null) return "";
  const kept = Array.from(link.matchAll(LINK), ([, url = "", parameters = ""]) => {
    const [, quoted, bare] = REL.exec(parameters) ?? [];
    const rel = (quoted ?? bare ?? "").toLowerCase();
    if (!PAGES.has(rel)) return "";
    try {
      return `<${rewritten(url)}>; rel="${rel}"`;
    } catch {
      // One that names our own hosts or cannot be read is no page of the upstream's.
      return "";
    }
  });
  return kept.filter((one) => one !== "").join(", ");
}
