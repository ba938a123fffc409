import { Problem } from "../problem.ts";
import { isOurs, type Ours } from "../vault/alerts/public_host.ts";
import type { Destination } from "../vault/keys/key.ts";

/** What a request to the proxy's origin asks for. `key` is null in direct mode; `path` is the upstream path as it came. */
export type ProxyPath = { key: string | null; path: string; query: string };

const PREFIX = "/v1/proxy/";
/** A request may come in absolute form (RFC 9112 §3.2.2); its authority counts for nothing, the Host header was judged. */
const WITH_AUTHORITY = /^https?:\/\/[^/?]+(\/[^?]*)?(?:\?(.*))?$/is;
const KEY_REF = /^[A-Za-z0-9._-]{1,64}(@[A-Za-z0-9._-]{1,32})?$/;

/** Reads the request's URL as it came over the wire: a parsed URL would already have folded what must be refused. */
export function readProxyPath(url: string): ProxyPath {
  const parts = WITH_AUTHORITY.exec(url);
  if (parts === null) throw new Problem("target_refused", "The request names no path.");
  const [, path = "/", query = ""] = parts;
  if (!path.startsWith(PREFIX)) return { key: null, path, query };
  const rest = path.slice(PREFIX.length);
  const slash = rest.indexOf("/");
  const key = (slash < 0 ? rest : rest.slice(0, slash)).replace(/%40/i, "@");
  if (!KEY_REF.test(key)) throw new Problem("not_found", "There is no key of that name.");
  return { key, path: slash < 0 ? "" : rest.slice(slash), query };
}

/**
 * The URL that will be called. Host, scheme and base path come from the key; the caller's path only ever lengthens it.
 * Both obvious ways (joining strings, resolving a relative URL) can be talked into another host, so the parts are set on a
 * parsed origin and the result is asserted: same origin, under the base path, and the very path that was judged.
 */
export function targetOf({ origin, base_path }: Destination, path: string, query: string): URL {
  const target = new URL(origin);
  const wanted = base_path + path || "/";
  target.pathname = wanted;
  target.search = query;
  if (target.origin !== origin || !isUnder(base_path, target) || !sameSegments(target.pathname, wanted)) {
    throw new Problem("target_refused", "The path does not lead below the key's own address.");
  }
  return target;
}

function isUnder(base_path: string, { pathname }: URL): boolean {
  return pathname === base_path || pathname.startsWith(`${base_path}/`);
}

/** The parser may escape a character that came bare; a path that it folded, or that is no UTF-8, is another path. */
function sameSegments(a: string, b: string): boolean {
  try {
    return decodeURI(a) === decodeURI(b);
  } catch {
    return false;
  }
}

/**
 * Where a redirect leads, told so that an SDK which follows it cannot carry the token astray (SECURITY S9): within the key's
 * own fence it is rewritten to the proxy, elsewhere it is passed on absolute, and one that names our hosts or cannot be read
 * is refused.
 */
export function redirectedTo(
  location: string,
  target: URL,
  { origin, base_path }: Destination,
  ours: Ours & { key: string | null },
): string {
  const to = URL.parse(location, target.href);
  if (to === null || isOurs(ours, to)) throw notPassedOn();
  if (to.origin !== origin || !isUnder(base_path, to)) return to.href;
  const below = to.pathname.slice(base_path.length) + to.search + to.hash;
  if (ours.key !== null) return ours.proxy_origin + PREFIX + ours.key + below;
  // Told so, it would be read as another key's.
  if (below.startsWith(PREFIX)) throw notPassedOn();
  return ours.proxy_origin + below;
}

function notPassedOn(): Problem {
  return new Problem("upstream_refused", "The upstream redirects to an address that cannot be passed on.");
}
