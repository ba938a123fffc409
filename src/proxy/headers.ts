import { objectIn } from "../json.ts";
import { Problem } from "../problem.ts";
import { parameterNames } from "./query.ts";

/** A request's headers, walked once: names are lower-case, and no name comes twice but where the runtime keeps lines apart. */
export type HeaderLines = readonly (readonly [name: string, value: string])[];

/** Walks them. `forEach` costs half of what iterating does on this runtime. */
export function linesOf(headers: Headers): [name: string, value: string][] {
  const lines: [string, string][] = [];
  headers.forEach((value, name) => lines.push([name, value]));
  return lines;
}

/** The value of a header, as `Headers.get` would tell it. */
export function valueOf(lines: HeaderLines, name: string): string | null {
  return lines.find(([known]) => known === name)?.[1] ?? null;
}

/** Headers that end at each hop (RFC 9110 §7.6.1), whether or not `Connection` names them. */
const HOP_BY_HOP = [
  "connection",
  "keep-alive",
  "proxy-authenticate",
  "proxy-authorization",
  "proxy-connection",
  "te",
  "trailer",
  "transfer-encoding",
  "upgrade",
];

/** Never upstream: what is ours, the browser's, or would let a caller pose as the network between. */
const NOT_UPSTREAM = new Set([
  ...HOP_BY_HOP,
  "host",
  "cookie",
  "expect",
  "forwarded",
  "x-real-ip",
  "x-client-ip",
  "x-cluster-client-ip",
  "x-forwarded",
  "fastly-client-ip",
  "true-client-ip",
  // By these some servers take another path or host than the request's own, past every rule on it.
  "x-original-url",
  "x-rewrite-url",
  "x-original-host",
  "x-host",
  "content-length",
  "accept-encoding",
  "origin",
  "referer",
]);
const NOT_UPSTREAM_PREFIX = /^(cf|x-forwarded|x-partykit|sec-fetch|sec-websocket|x-leash)-/;

/** By these a browser changes what pages may do, or tells others of them. */
const POLICIES = [
  "content-security",
  "cross-origin-embedder",
  "cross-origin-opener",
  "document",
  "document-isolation",
  "feature",
  "integrity",
  "permissions",
  "referrer",
  "require-document",
].flatMap((what) => [`${what}-policy`, `${what}-policy-report-only`]);

/** Never to the client: what would make a browser act on our origin, or hold state for it (SECURITY S1). */
const NOT_TO_CLIENT = new Set([
  ...HOP_BY_HOP,
  ...POLICIES,
  "set-cookie",
  "set-cookie2",
  "set-login",
  "alt-svc",
  "clear-site-data",
  "service-worker-allowed",
  "refresh",
  "link",
  "strict-transport-security",
  "public-key-pins",
  "public-key-pins-report-only",
  "expect-ct",
  "report-to",
  "nel",
  "reporting-endpoints",
  "timing-allow-origin",
  "origin-agent-cluster",
  "origin-trial",
  "speculation-rules",
  "supports-loading-mode",
  "no-vary-search",
  "use-as-dictionary",
  "accept-ch",
  "accept-ch-lifetime",
  "critical-ch",
  "activate-storage-access",
  "observe-browsing-topics",
  "sourcemap",
  "x-sourcemap",
  "x-dns-prefetch-control",
  "location",
  "content-location",
]);
const NOT_TO_CLIENT_PREFIX =
  /^(access-control-|ad-auction-|apilocker-|attribution-reporting-|cloudflare-cdn-cache-control|sec-|secure-session-|shared-storage-)/;

const METHOD_OVERRIDE = /^(x-http-method.*|x-method-override)$/;
/** Anywhere in the value: of several types on one line browsers take the last. `multipart/x-mixed-replace` may hold a page. */
const ACTIVE_CONTENT = /(^|[,\s])(text\/html|[^;,\s]*[/+]xml|text\/xsl|multipart\/)/i;
/** One type at least, as a browser reads it: what says none may be taken for anything. */
const NAMES_A_TYPE = /(^|,)\s*[!#$%&'*+.^_`|~\w-]+\/[!#$%&'*+.^_`|~\w-]+\s*(;|,|$)/;

/** The caller's headers as the upstream may see them; our token is already out. */
export function upstreamHeaders(given: HeaderLines): Headers {
  const nominated = nominatedIn(valueOf(given, "connection"));
  const headers = new Headers();
  for (const [name, value] of given) {
    const known = dashed(name);
    if (!NOT_UPSTREAM.has(known) && !NOT_UPSTREAM_PREFIX.test(known) && !nominated.has(name))
      headers.append(name, value);
  }
  // Only what the runtime can take apart again, since an answer may have to be scrubbed (SECURITY S20); and part of an
  // encoded body can be taken apart by nobody.
  const whole = valueOf(given, "range") === null;
  headers.set("accept-encoding", whole ? narrowed(valueOf(given, "accept-encoding")) : "identity");
  return headers;
}

/** Does the call carry a header or parameter by which some servers take another method? (SECURITY S26) */
export function overridesMethod(headers: HeaderLines, query: string): boolean {
  return namesMethod(query) || headers.some(([name]) => METHOD_OVERRIDE.test(dashed(name)));
}

/** The same of a body that was read: a form's field, or one of JSON, by which Rails, Laravel and others take another method. */
export function bodyOverridesMethod(headers: HeaderLines, body: ArrayBuffer): boolean {
  const type = (valueOf(headers, "content-type") ?? "").toLowerCase();
  const text = Buffer.from(body).toString("latin1");
  if (type.startsWith("application/x-www-form-urlencoded")) return namesMethod(text);
  if (type.startsWith("multipart/")) return /\bname\*?\s{0,8}=[^\r\n;]{0,32}(?<![a-z0-9])[_. ]method\b/i.test(text);
  return /[/+]json\b/.test(type) && Object.hasOwn(objectIn(text) ?? {}, "_method");
}

function namesMethod(form: string): boolean {
  // PHP reads a dot or a space in a name as an underscore, and `_method[]` as `_method`.
  const names = parameterNames(form).map((name) => name.trim().replace(/[. ]/g, "_").toLowerCase());
  return names.some((name) => name === "_method" || name.startsWith("_method["));
}

/** What says nothing of what is to be done: the form of an answer, who asks, and names of this very try, which the next one has others of. */
const OF_NO_WEIGHT =
  /^(accept(-.*)?|user-agent|cache-control|pragma|priority|date|idempotency-key|traceparent|tracestate|baggage|b3|uber-trace-id|x-(request|correlation|client-request|ms-client-request|amzn-trace)-id|x-amz-date|x-cloud-trace-context|x-stripe-client-telemetry|(amz-sdk|sentry|x-b3|x-datadog|x-stainless)-.*)$/;

/**
 * What a call's headers say of what is to be done, beside its method and path: for whom (`stripe-account`, `sudo`), which of several operations of one
 * address (`x-amz-target`), where to (`destination`), how the body is read. Nobody knows them all, so it is each that is sent on but for those above.
 */
export function operationIn(given: HeaderLines): HeaderLines {
  return linesOf(upstreamHeaders(given)).filter(([name]) => !OF_NO_WEIGHT.test(dashed(name)));
}

/** Refuses a browser that navigates, embeds or registers a worker: the proxy serves programs (SECURITY S1). */
export function refuseBrowsers(headers: HeaderLines): void {
  const dest = valueOf(headers, "sec-fetch-dest");
  const navigates =
    valueOf(headers, "sec-fetch-mode") === "navigate" || valueOf(headers, "service-worker") === "script";
  if (navigates || (dest !== null && dest !== "empty" && dest !== "websocket")) {
    throw new Problem(
      "browser_refused",
      "Call the proxy from a program; a browser may not open or embed what it answers.",
    );
  }
}

/** Headers that every answer of the proxy's origin carries, ours included. */
export function guard(headers: Headers): Headers {
  headers.set("content-security-policy", "sandbox; default-src 'none'; frame-ancestors 'none'");
  headers.set("x-content-type-options", "nosniff");
  headers.set("cross-origin-resource-policy", "same-origin");
  headers.set("cloudflare-cdn-cache-control", "no-store");
  const type = headers.get("content-type") ?? "";
  if (!NAMES_A_TYPE.test(type) || ACTIVE_CONTENT.test(type)) headers.set("content-disposition", "attachment");
  return headers;
}

/** The upstream's headers as the client may see them. `scrub` takes the credential out of a value. */
export function clientHeaders(given: Headers, scrub: (value: string) => string): Headers {
  const nominated = nominatedIn(given.get("connection"));
  const headers = new Headers();
  for (const [name, value] of linesOf(given)) {
    if (!NOT_TO_CLIENT.has(name) && !NOT_TO_CLIENT_PREFIX.test(name) && !nominated.has(name))
      headers.append(name, scrub(value));
  }
  return guard(headers);
}

/** Headers that `Connection` names: they end at this hop (RFC 9110 §7.6.1). */
function nominatedIn(connection: string | null): ReadonlySet<string> {
  return connection === null ? NONE : new Set(connection.split(",").map((name) => name.trim().toLowerCase()));
}

const NONE: ReadonlySet<string> = new Set();

/** A header's name as servers that hand headers on as variables read it: to them `_` and `-` are one. */
function dashed(name: string): string {
  return name.includes("_") ? name.replaceAll("_", "-") : name;
}

const CODINGS = [
  ["gzip", /(^|[,\s])gzip\s*(;|,|$)/],
  ["br", /(^|[,\s])br\s*(;|,|$)/],
] as const;

function narrowed(accept: string | null): string {
  const wanted = (accept ?? "").toLowerCase();
  const codings = CODINGS.flatMap(([coding, named]) => (named.test(wanted) ? [coding] : []));
  return codings.length > 0 ? codings.join(", ") : "identity";
}
