import { readAtMost } from "../body.ts";
import type { Config } from "../config.ts";
import { isOurs, isPublicHost } from "../vault/alerts/public_host.ts";

/** What an address of a client answered: a body with how long it is fresh, or that nothing has changed. */
export type Fetched =
  | { got: "document"; text: string; etag: string | null; fresh_ms: number }
  | { got: "unchanged"; fresh_ms: number }
  /** It is not there, or not what it should be: whoever owns the address says so. */
  | { got: "refused"; why: string }
  /** It could not be reached, which says nothing. */
  | { got: "nothing"; why: string };

const WITHIN_MS = 5_000;
const DEFAULT_FRESH_MS = 5 * 60_000;
const MOST_FRESH_MS = 24 * 60 * 60_000;
/** What an edge in front of the document may answer on a bad day: no word of its owner's. */
const PASSING = new Set([401, 403, 408, 425, 429]);

/**
 * Is it an address that a client's document may have? https, a path, no user, no fragment, no dot segments, in public and not ours.
 * Every spelling of an address is judged as the URL parser reads it, never by parsing of our own.
 */
export function isFetchable(text: string, config: Config): boolean {
  const url = URL.parse(text);
  return (
    url !== null &&
    url.href === text &&
    url.protocol === "https:" &&
    url.username === "" &&
    url.password === "" &&
    !text.includes("#") &&
    url.pathname !== "/" &&
    !/%2e/i.test(url.pathname) &&
    text.length <= 1_024 &&
    isPublicHost(url.hostname) &&
    !isOurs(config, url)
  );
}

/**
 * Fetches a small JSON document from an address that a stranger has named. No redirect is followed, since it could lead anywhere; size
 * and time are bounded as they run; nothing of ours goes along; no cache stands in between (SECURITY S10). The platform
 * lets a Worker reach public addresses only, whatever a name resolves to.
 */
export async function fetchDocument(url: string, etag: string | null, bytes: number): Promise<Fetched> {
  try {
    const response = await fetch(url, {
      headers: { accept: "application/json", ...(etag === null ? {} : { "if-none-match": etag }) },
      redirect: "manual",
      cache: "no-store",
      signal: AbortSignal.timeout(WITHIN_MS),
    });
    if (response.status === 304 && etag !== null) return { got: "unchanged", fresh_ms: freshness(response.headers) };
    if (response.status !== 200) {
      await response.body?.cancel();
      const why = `status ${response.status}`;
      return { got: response.status >= 500 || PASSING.has(response.status) ? "nothing" : "refused", why };
    }
    if (!/^application\/([\w.-]+\+)?json\b/i.test(response.headers.get("content-type") ?? "")) {
      await response.body?.cancel();
      return { got: "refused", why: "not JSON" };
    }
    const body = await readAtMost(response.body, bytes);
    if (body === undefined) return { got: "refused", why: `more than ${bytes} bytes` };
    const text = new TextDecoder("utf-8", { fatal: true, ignoreBOM: false }).decode(body);
    return { got: "document", text, etag: response.headers.get("etag"), fresh_ms: freshness(response.headers) };
  } catch (fault) {
    return { got: "nothing", why: fault instanceof Error ? fault.name : "fault" };
  }
}

/** How long the answer may be used without asking again, by us who share it among all (RFC 9111 §4.2.1, §5.2.2); never longer than a day. */
export function freshness(headers: Headers): number {
  const control = (headers.get("cache-control") ?? "").toLowerCase();
  if (/\b(no-store|no-cache|private)\b/.test(control)) return 0;
  const seconds = secondsOf(control, "s-maxage") ?? secondsOf(control, "max-age");
  const age_ms = Number(headers.get("age") ?? 0) * 1_000 || 0;
  if (seconds !== undefined) return bounded(seconds * 1_000 - age_ms);
  const expires = headers.get("expires");
  if (expires === null) return DEFAULT_FRESH_MS;
  // What is no date, `0` above all, has passed (§5.3).
  const at = /^\w{3,9},? /.test(expires) ? Date.parse(expires) : NaN;
  const sent_at = Date.parse(headers.get("date") ?? "");
  return Number.isNaN(at) ? 0 : bounded(at - (Number.isNaN(sent_at) ? Date.now() : sent_at) - age_ms);
}

function secondsOf(control: string, directive: string): number | undefined {
  const [, seconds] = new RegExp(`(?:^|[,\\s])${directive}="?(\\d{1,10})\\b`).exec(control) ?? [];
  return seconds === undefined ? undefined : Number(seconds);
}

function bounded(ms: number): number {
  return Math.min(Math.max(0, ms), MOST_FRESH_MS);
}
