import { isOurs, type Ours } from "../vault/alerts/public_host.ts";

/**
 * What kind of redirect URI this is. `private_use`: a scheme of an app's own, which any other app on the device may claim
 * (RFC 8252 §8.1); such are stored where a client registers them among others, and never used.
 */
type RedirectKind = "https" | "loopback" | "private_use";

const LENGTH = 2_048;
/** Hosts as names and addresses are spelled; a parser lets through more, which would be read otherwise in a policy of ours. */
const HOST = /^([a-z0-9._-]+|\[[0-9a-f:.]+\])$/;
const LOOPBACK = /^http:\/\/(localhost|127\.0\.0\.1|\[::1\])(:\d{1,5})?(?=[/?]|$)/;
/** Schemes that browsers or systems act upon themselves; nobody's app may have them. */
const DANGEROUS =
  /^(javascript|data|vbscript|file|filesystem|blob|about|view-source|ws|wss|ftp|mailto|tel|sms|intent|chrome|http):/i;

/** Judges a redirect URI that a client registers; undefined where it can never be one (RFC 6749 §3.1.2, OAuth 2.1 §2.3.1). */
export function kindOf(uri: string, ours: Ours): RedirectKind | undefined {
  // Printable ASCII without what parsers disagree about: what is matched as text must mean one thing to every browser.
  if (uri.length > LENGTH || !/^[\x21-\x7e]+$/.test(uri) || /[#\\<>"`{}|^]/.test(uri)) return undefined;
  const url = URL.parse(uri);
  if (url === null || url.username !== "" || url.password !== "" || /^[a-z0-9+.-]+:\/\/[^/?]*@/i.test(uri))
    return undefined;
  if (LOOPBACK.test(uri)) return url.port === "0" ? undefined : "loopback";
  if (url.protocol === "https:" && !uri.startsWith("https://")) return undefined;
  // A code that is sent to ourselves would be shown on a page of ours, or lost; on one machine our own port is just a port.
  if (url.protocol === "https:") return !HOST.test(url.hostname) || isOurs(ours, url) ? undefined : "https";
  return DANGEROUS.test(uri) ? undefined : "private_use";
}

/**
 * Is the URI of a request one of those registered? Exactly, letter for letter; only the port of a loopback address is free,
 * since a native app takes what port it gets (RFC 8252 §7.3).
 */
export function isRegistered(uri: string, registered: readonly string[]): boolean {
  if (registered.includes(uri)) return true;
  return LOOPBACK.test(uri) && registered.some((one) => LOOPBACK.test(one) && portless(one) === portless(uri));
}

/** Codes go to https and to this machine, nowhere else. */
export function isUsable(uri: string, ours: Ours): boolean {
  const kind = kindOf(uri, ours);
  return kind === "https" || kind === "loopback";
}

export function isLoopback(uri: string): boolean {
  return LOOPBACK.test(uri);
}

function portless(uri: string): string {
  return uri.replace(LOOPBACK, "http://$1");
}
