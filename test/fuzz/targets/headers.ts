import assert from "node:assert/strict";
import { clientHeaders, overridesMethod, upstreamHeaders } from "../../../src/proxy/headers.ts";
import type { Target } from "../fuzz.ts";
import { headerLines } from "./lines.ts";

/** Of these nothing goes upstream, however a server may read their names. */
const NEVER_UPSTREAM =
  /^(connection|keep-alive|proxy-(authenticate|authorization|connection)|te|trailer|transfer-encoding|upgrade|host|cookie|expect|forwarded|x-real-ip|x-client-ip|x-cluster-client-ip|fastly-client-ip|true-client-ip|content-length|origin|referer|x-original-(url|host)|x-rewrite-url|x-host|cf-.*|x-forwarded(-.*)?|x-partykit-.*|sec-fetch-.*|sec-websocket-.*|x-leash-.*)$/;
const NEVER_TO_CLIENT =
  /^(connection|keep-alive|proxy-(authenticate|authorization|connection)|te|trailer|transfer-encoding|upgrade|set-cookie2?|set-login|alt-svc|clear-site-data|service-worker-allowed|refresh|link|strict-transport-security|report-to|nel|reporting-endpoints|origin-agent-cluster|speculation-rules|accept-ch(-lifetime)?|critical-ch|use-as-dictionary|no-vary-search|supports-loading-mode|origin-trial|timing-allow-origin|activate-storage-access|observe-browsing-topics|x-dns-prefetch-control|public-key-pins(-report-only)?|expect-ct|(x-)?sourcemap|(cross-origin-(opener|embedder)|permissions|feature|(require-)?document|document-isolation|integrity|referrer)-policy(-report-only)?|content-security-policy-report-only|location|content-location|access-control-.*|apilocker-.*|cloudflare-cdn-cache-control.*|sec-.*|secure-session-.*|attribution-reporting-.*|ad-auction-.*|shared-storage-.*)$/;
const GUARDS = {
  "content-security-policy": "sandbox; default-src 'none'; frame-ancestors 'none'",
  "x-content-type-options": "nosniff",
  "cross-origin-resource-policy": "same-origin",
  "cloudflare-cdn-cache-control": "no-store",
};
/** Whitespace at the ends of a value says nothing, and is lost. */
const trimmed = (value: string) => value.replace(/^[\t ]+|[\t ]+$/g, "");
const isGuard = (name: string) => name in GUARDS || name === "content-disposition";
const SECRET = "sk-live-12345";

/** The type that a browser takes a value for (WHATWG Fetch, "extract a MIME type"): of several the last that is one. */
function essenceOf(value: string): string | undefined {
  const [last] = value
    .split(",")
    .map(
      (one) =>
        (/^[\t\n\r ]*([!#$%&'*+.^_`|~0-9A-Za-z-]+\/[!#$%&'*+.^_`|~0-9A-Za-z-]+)[\t\n\r ]*(;|$)/.exec(one) ?? [])[1],
    )
    .filter((one) => one !== undefined && one !== "*/*")
    .slice(-1);
  return last?.toLowerCase();
}
const isActive = (essence: string) => /^(text\/(html|xml|xsl)|application\/xml|multipart\/.*|.*\+xml)$/.test(essence);

/** Nothing of ours, of the network's or of one hop passes either way, all else does unchanged, and what a browser would run is a download. */
export const target: Target = {
  seeds: [
    ["Content-Type: /", "?%5fmethod"],
    ["Host: a\nCookie: b\nX-Api-Version: 2\nAccept-Encoding: gzip, br;q=1, deflate", "_method=PUT"],
    ["Connection: close, X-Extra\nX-Extra: 1\nX_Forwarded_For: 1.2.3.4\nCF-Ray: x", "a=1;%5fmethod[]=PUT"],
    ["Content-Type: text/plain, text/html\nSet-Cookie: a=b\nLink: </x>\nX-Echo: sk-live-12345", ""],
    ["Content-Type: image/svg+xml;charset=utf-8\nRange: bytes=0-9\nX-HTTP-Method-Override: PUT", ".method=1"],
    ["content-type: application/json\naccess-control-allow-origin: *\napilocker-request-id: x", "+_method"],
  ],
  words: [
    "Content-Type: ",
    "Connection: ",
    "X-HTTP-Method",
    "X_Method_Override: ",
    ", ",
    "text/html",
    "multipart/x-mixed-replace",
    "Accept-Encoding: ",
    "_method",
    SECRET,
  ],
  run([text = "", query = ""]) {
    const given = headerLines(text);
    const dashed = (name: string) => name.replaceAll("_", "-");
    const line = given.find(([name]) => name === "connection")?.[1] ?? "";
    const nominated = new Set(line.split(",").map((name) => name.trim().toLowerCase()));
    const passes = (name: string, never: RegExp) => !never.test(name) && !nominated.has(name);

    const sent = upstreamHeaders(given);
    const upstream = given.filter(
      ([name]) =>
        name !== "accept-encoding" &&
        passes(name, { test: (one: string) => NEVER_UPSTREAM.test(dashed(one)) } as RegExp),
    );
    const values = new Map([...sent].filter(([name]) => name !== "accept-encoding"));
    assert.deepEqual(values, new Map(upstream.map(([name, value]) => [name, trimmed(value)])));
    assert.match(
      sent.get("accept-encoding") ?? "",
      given.some(([name]) => name === "range") ? /^identity$/ : /^(gzip|br|gzip, br|identity)$/,
    );

    const answer = new Headers(given.map(([name, value]): [string, string] => [name, value]));
    const told = clientHeaders(answer, (value) => value.replaceAll(SECRET, "[redacted]"));
    for (const [name, value] of Object.entries(GUARDS)) assert.equal(told.get(name), value);
    const essence = essenceOf(told.get("content-type") ?? "");
    if (essence === undefined || isActive(essence))
      assert.equal(told.get("content-disposition"), "attachment", told.get("content-type") ?? "");
    for (const [name, value] of told) {
      assert.ok(passes(name, NEVER_TO_CLIENT) || isGuard(name), name);
      assert.ok(!value.includes(SECRET), name);
    }
    for (const [name, value] of answer) {
      if (!passes(name, NEVER_TO_CLIENT) || isGuard(name)) continue;
      assert.equal(told.get(name), trimmed(value.replaceAll(SECRET, "[redacted]")));
    }

    const pairs = query
      .split(/[&;]/)
      .map((pair) => new URLSearchParams(`&${pair.split("=")[0]}=`).keys().next().value ?? "");
    // What PHP makes of a parameter's name, as its own reader does it.
    const php = pairs.map((name) => name.replace(/^ +/, "").replace(/[. ]/g, "_").replace(/\[.*$/s, "").toLowerCase());
    const header = given.some(([name]) => /^x-http-method|^x-method-override$/.test(dashed(name)));
    if (header || php.includes("_method")) assert.ok(overridesMethod(given, query), query);
  },
};
